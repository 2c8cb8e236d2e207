package house_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fuzzes = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// What can be fuzzed is fuzzed by make fuzz, under a name of its own: go test takes one
// target at a time.
func TestEachFuzzTestIsRun(t *testing.T) {
	root := rootFolder(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	err = filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(p, "_test.go") {
			return err
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		for _, m := range fuzzes.FindAllStringSubmatch(string(raw), -1) {
			found++
			pkg, err := filepath.Rel(root, filepath.Dir(p))
			if err != nil {
				return err
			}
			want := regexp.MustCompile(fmt.Sprintf(`-fuzz %s -fuzztime \w+ \./%s\n`, m[1], filepath.ToSlash(pkg)))
			if n := len(want.FindAllString(string(makefile), -1)); n != 1 {
				t.Errorf("%s of %s is run %d times by make fuzz", m[1], pkg, n)
			}
			if n := len(regexp.MustCompile(`(?m)^func `+m[1]+`\(`).FindAllString(allTests(t, filepath.Dir(p)), -1)); n != 1 {
				t.Errorf("%s is there %d times in %s", m[1], n, pkg)
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Errorf("%d found, %v", found, err)
	}
}

// allTests is the text of a folder's tests.
func allTests(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(raw)
	}
	return out.String()
}
