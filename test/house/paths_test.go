package house_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// guides are the docs by which somebody finds a place in the code.
var guides = []string{"docs/architecture.md", "docs/development.md", "CONTRIBUTING.md"}

var (
	mentioned = regexp.MustCompile("`((?:agent|apply|charts|cmd|docs|drift|environments|render|source|test|\\.ci)/[A-Za-z0-9_./*{}-]+)`(?:,?\\s+\\(`(\\w+)`)?")
	inside    = "\n(?:func (?:\\([^)]*\\) )?|type |\t)"
)

// TestGuidesNamePlacesThatExist holds the docs that lead through the code to it: each path that
// they name exists, and so does a function or type that they name right behind a file.
func TestGuidesNamePlacesThatExist(t *testing.T) {
	for _, guide := range guides {
		text, err := os.ReadFile(filepath.Join("../..", guide))
		if err != nil {
			t.Fatal(err)
		}
		all := mentioned.FindAllStringSubmatch(string(text), -1)
		if len(all) == 0 {
			t.Fatalf("%s names no path: the pattern is wrong", guide)
		}
		for _, m := range all {
			if why := missingPlace(m[1], m[2]); why != "" {
				t.Errorf("%s: %s", guide, why)
			}
		}
	}
}

// missingPlace says what of a place is not there; empty if it is. A path without a dot may
// name a package with one of its identifiers, as assess.Commit would.
func missingPlace(path, name string) string {
	found, err := filepath.Glob(filepath.Join("../..", path))
	if err != nil || len(found) == 0 {
		return path + " does not exist"
	}
	if name == "" {
		return ""
	}
	files := found
	if info, err := os.Stat(found[0]); err == nil && info.IsDir() {
		files, _ = filepath.Glob(filepath.Join(found[0], "*.go"))
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err == nil && regexp.MustCompile(inside+name+`\b`).MatchString("\n"+string(code)) {
			return ""
		}
	}
	return path + " has no " + strings.TrimSpace(name)
}

func TestAPlaceThatIsGoneIsTold(t *testing.T) {
	for place, want := range map[[2]string]string{
		{"agent/pass.go", ""}:         "",
		{"agent/pass.go", "run"}:      "agent/pass.go has no run",
		{"agent/nowhere.go", ""}:      "agent/nowhere.go does not exist",
		{"agent/desired", "Load"}:     "",
		{"agent/desired", "Unloaded"}: "agent/desired has no Unloaded",
	} {
		if got := missingPlace(place[0], place[1]); got != want {
			t.Errorf("%v: got %q, want %q", place, got, want)
		}
	}
}
