package blame_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
)

// edit is a commit to the tenant's repository, and the fields that it sets.
type edit struct {
	number, file, was, is string
	sets                  []string // OBJECT PATH
}

// tenantEdits reads testdata/tenant.txt: "== NUMBER FILE", a line as it was, the line as it is, and
// the fields that are set by it.
func tenantEdits(t *testing.T) []edit {
	var out []edit
	for part := range strings.SplitSeq(read(t, "tenant.txt"), "\n== ") {
		lines := strings.Split(strings.TrimSpace(part), "\n")
		if number, file, ok := strings.Cut(lines[0], " "); ok && !strings.HasPrefix(lines[0], "#") {
			out = append(out, edit{number, file, strings.TrimPrefix(lines[1], "- "), strings.TrimPrefix(lines[2], "+ "), lines[3:]})
		}
	}
	return out
}

// tenantsHistory is the tenant's production environment as the last of a thousand commits: one that
// brings it as it was, and the edits that make it what it is, each after many that concern others.
func tenantsHistory(t *testing.T, edits []edit) (dir string, numbers map[string]string) {
	t.Helper()
	dir, numbers = t.TempDir(), map[string]string{}
	for _, name := range []string{"environments/production", "charts"} {
		if err := os.CopyFS(filepath.Join(dir, name), os.DirFS("../../"+name)); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(e edit, from, to string) {
		name := filepath.Join(dir, e.file)
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(raw), from+"\n") != 1 {
			t.Fatalf("%s has not one line %q", e.file, from)
		}
		if err := os.WriteFile(name, []byte(strings.Replace(string(raw), from+"\n", to+"\n", 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range slices.Backward(edits) {
		replace(e, e.is, e.was)
	}
	commit := func(number string) {
		runGit(t, dir, nil, "add", "--all")
		runGit(t, dir, nil, "-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit", "--quiet", "--message", "Commit "+number)
		numbers[strings.TrimSpace(runGit(t, dir, nil, "rev-parse", "HEAD"))] = number
	}
	runGit(t, dir, nil, "init", "--quiet", "--initial-branch", "main")
	commit("1")
	for _, e := range edits {
		elsewhere(t, dir, 1000/len(edits))
		replace(e, e.was, e.is)
		commit(e.number)
	}
	return dir, numbers
}

// elsewhere makes commits that do not concern production.
func elsewhere(t *testing.T, dir string, n int) {
	t.Helper()
	var in bytes.Buffer
	fmt.Fprintln(&in, "feature done")
	for i := range n {
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter Ben <ben@example.com> %d +0000\ndata 8\nMore %03d\n", 1790000000+i, i%1000)
		if i == 0 {
			fmt.Fprintln(&in, "from refs/heads/main^0")
		}
		fmt.Fprintf(&in, "M 100644 inline environments/development/notes.txt\ndata 4\n%03d\n\n", i%1000)
	}
	fmt.Fprintln(&in, "done")
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Stdin = dir, &in
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	runGit(t, dir, nil, "reset", "--quiet", "--hard")
}

// Every line of the tenant's production environment has the commit that set it, and the place that
// is named is a line which has its key.
func TestBlameOfTheTenantsProduction(t *testing.T) {
	edits := tenantEdits(t)
	dir, numbers := tenantsHistory(t, edits)
	want := map[string]string{}
	for _, e := range edits {
		for _, field := range e.sets {
			want[field] = e.number
		}
	}
	p, b := open(t, dir)
	head, err := p.Commit("main")
	if err != nil {
		t.Fatal(err)
	}
	fields := 0
	for _, release := range []string{"xuangong-backend", "xuangong-app"} {
		rel, err := b.Release(context.Background(), head, "production", release, blame.Query{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range rel.Objects {
			for _, f := range o.Fields {
				fields++
				name := o.Object + " " + f.Path
				number := want[name]
				delete(want, name)
				if number == "" {
					number = "1"
				}
				if numbers[f.Commit] != number {
					t.Errorf("%s was set by %s, and not by %s", name, numbers[f.Commit], number)
				}
				for _, at := range slices.Concat(f.Set, f.When) {
					checkPlace(t, dir, name, at)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		t.Errorf("%s is not rendered", name)
	}
	if t.Logf("%d fields", fields); fields < 500 {
		t.Errorf("there are %d fields: most are not told of", fields)
	}
}

// checkPlace holds a place in a file to be a line that has its key.
func checkPlace(t *testing.T, dir, name string, at render.Place) {
	if at.File == "" || at.Line == 0 {
		return
	}
	raw, err := os.ReadFile(filepath.Join(dir, at.File))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	keys := strings.FieldsFunc(at.Key, func(r rune) bool { return r == '.' || r == '[' || r == ']' || r == '"' })
	if at.Line > len(lines) || len(keys) == 0 {
		t.Errorf("%s: it is said to be set at %s, which has %d lines", name, at, len(lines))
		return
	}
	keys = slices.DeleteFunc(keys, func(k string) bool { return strings.Trim(k, "0123456789") == "" }) // places in lists
	last := keys[len(keys)-1]
	if line := lines[at.Line-1]; !strings.Contains(line, last) && !strings.HasPrefix(strings.TrimSpace(line), "- ") {
		t.Errorf("%s: it is said to be set at %s, where stands %q", name, at, line)
	}
}
