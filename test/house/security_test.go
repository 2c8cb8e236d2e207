package house_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	testsNamed = regexp.MustCompile("((?:`Test\\w+`(?:, )?)+)(?: \\(([\\w/]+)\\))?")
	testName   = regexp.MustCompile(`Test\w+`)
	testIs     = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// Each test that docs/security.md names as a rule's proof exists, in the package that it names.
func TestSecurityNamesTestsThatExist(t *testing.T) {
	folders := map[string][]string{} // of a test, from the root
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
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
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for n, line := range strings.Split(string(text), "\n") {
		for _, m := range testsNamed.FindAllStringSubmatch(line, -1) {
			for _, test := range testName.FindAllString(m[1], -1) {
				named++
				if where := folders[test]; len(where) == 0 || m[2] != "" && !slices.Contains(where, m[2]) {
					t.Errorf("docs/security.md:%d names %s (%s), which is in %q", n+1, test, m[2], where)
				}
			}
		}
	}
	if named < 30 {
		t.Errorf("%d tests are named: they are not found any more", named)
	}
}
