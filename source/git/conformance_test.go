package git_test

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
	"github.com/xetys/tether/source/sourcetest"
)

// A git repository keeps to what every source has to.
func TestARepositoryIsASource(t *testing.T) {
	r := newRemote(t)
	dir := filepath.Join(t.TempDir(), "clone")
	open := func(t *testing.T) source.Source {
		t.Helper()
		repo, err := git.New(git.Options{URL: r.bare, Refs: []source.Ref{"main", "tag:v*"}, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return repo
	}
	sourcetest.Run(t, sourcetest.Fixture{Source: open(t), Ref: "main", Missing: "tag:v*", Reopen: open,
		Publish: func(t *testing.T, subject string, files fstest.MapFS) string {
			t.Helper()
			for name, f := range files {
				at := filepath.Join(r.work, name)
				if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r.git(r.work, "add", "-A")
			r.git(r.work, "commit", "-qm", subject)
			r.git(r.work, "push", "-q", "origin", "main")
			return r.git(r.work, "rev-parse", "HEAD")
		}})
}
