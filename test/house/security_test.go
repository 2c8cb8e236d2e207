package house_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	testsNamed  = regexp.MustCompile("((?:`Test\\w+`(?:, )?)+)(?: \\(([\\w/]+)\\))?")
	testName    = regexp.MustCompile(`Test\w+`)
	testIs      = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	scriptNamed = regexp.MustCompile("`(?:[\\w/]*/)?(\\w+\\.txtar)`")
)

// Each test and script that a page of docs names as a rule's proof exists, a test in the package
// that is named with it.
func TestPagesNameTestsThatExist(t *testing.T) {
	pages := map[string]int{"docs/security.md": 30, "docs/promises.md": 100} // and how many tests each names at least
	folders, scripts := testsByName(t)
	for _, page := range slices.Sorted(maps.Keys(pages)) {
		text, err := os.ReadFile("../../" + page)
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for n, line := range strings.Split(string(text), "\n") {
			for _, m := range scriptNamed.FindAllStringSubmatch(line, -1) {
				named++
				if !scripts[m[1]] {
					t.Errorf("%s:%d names %s, and there is no such script", page, n+1, m[1])
				}
			}
			for _, m := range testsNamed.FindAllStringSubmatch(line, -1) {
				for _, test := range testName.FindAllString(m[1], -1) {
					named++
					if where := folders[test]; len(where) == 0 || m[2] != "" && !slices.Contains(where, m[2]) {
						t.Errorf("%s:%d names %s (%s), which is in %q", page, n+1, test, m[2], where)
					}
				}
			}
		}
		if named < pages[page] {
			t.Errorf("%s names %d tests: they are not found any more", page, named)
		}
	}
}

// testsByName returns the folders, from the root, in which a test is, and the scripts that there
// are.
func testsByName(t *testing.T) (folders map[string][]string, scripts map[string]bool) {
	folders, scripts = map[string][]string{}, map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".txtar") {
			scripts[filepath.Base(path)] = true
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel("../..", filepath.Dir(path))
		for _, m := range testIs.FindAllSubmatch(text, -1) {
			folders[string(m[1])] = append(folders[string(m[1])], folder)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders, scripts
}
