package house_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// docColumns is the width of prose in the docs: two of them stand side by side in a review.
const docColumns = 100

// unbreakable are the parts of a line that Markdown keeps whole: code and links.
var unbreakable = regexp.MustCompile("`+[^`]*`+|\\[[^\\]]*\\]\\([^)]*\\)")

var listMarker = regexp.MustCompile(`^\s*([-*+]|\d+[.)])\s+`)

// TestDocsAreWrapped holds prose to its width. Tables, code, headings and what cannot be broken are
// as long as they are.
func TestDocsAreWrapped(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join("../..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 50 {
		t.Fatalf("found %d files of docs: the patterns are wrong", len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		code := false
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				code = !code
				continue
			}
			if !code && tooWide(line) {
				t.Errorf("%s:%d has %d columns, more than %d: break the line", file, i+1, utf8.RuneCountInString(line), docColumns)
			}
		}
	}
}

func tooWide(line string) bool {
	if utf8.RuneCountInString(line) <= docColumns || strings.HasPrefix(line, "    ") {
		return false
	}
	if strings.IndexAny(line, "|#<>!") == 0 {
		return false
	}
	prose := unbreakable.ReplaceAllString(listMarker.ReplaceAllString(line, ""), "x")
	return strings.Contains(strings.TrimSpace(prose), " ")
}

func TestTooWideKnowsWhatCanBeBroken(t *testing.T) {
	long := strings.Repeat("word ", 25)
	for line, want := range map[string]bool{
		long: true, "- " + long: true, "# " + long: false, "| " + long: false, "    " + long: false,
		"`" + long + "`": false, "- `" + long + "`.": false, "see `" + long + "`": true,
		"[" + long + "](x.md)": false, strings.Repeat("x", 120): false, "short": false,
	} {
		if tooWide(line) != want {
			t.Errorf("tooWide(%q) = %v", line, !want)
		}
	}
}

// TestEachDecisionIsListed holds the index of decisions to their files: all of them, by their
// titles, in their order.
func TestEachDecisionIsListed(t *testing.T) {
	files, err := filepath.Glob("../../docs/decisions/0*.md")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d decisions, %v", len(files), err)
	}
	var want []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		title, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
		want = append(want, "- ["+title+"]("+filepath.Base(file)+")")
	}
	index, err := os.ReadFile("../../docs/decisions/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for line := range strings.Lines(string(index)) {
		if strings.HasPrefix(line, "- [") {
			have = append(have, strings.TrimSpace(line))
		}
	}
	if w, h := strings.Join(want, "\n"), strings.Join(have, "\n"); w != h {
		t.Errorf("docs/decisions/README.md lists\n%s\nwant\n%s", h, w)
	}
}
