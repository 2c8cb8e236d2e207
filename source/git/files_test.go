package git_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/xetys/tether/source/git"
)

// What a commit can't give as a plain file is refused by name.
func TestWhatIsNoPlainFileIsRefused(t *testing.T) {
	r := newRemote(t)
	r.commit("plain", "1", "one")
	pointer := "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
	if err := os.MkdirAll(filepath.Join(r.work, "chart", "templates"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.work, "chart", "values.yaml"), []byte(pointer), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../plain", filepath.Join(r.work, "chart", "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("chart", filepath.Join(r.work, "linked")); err != nil {
		t.Fatal(err)
	}
	r.git(r.work, "update-index", "--add", "--cacheinfo", "160000,"+r.git(r.work, "rev-parse", "HEAD")+",vendor/sub")
	r.git(r.work, "add", "chart", "linked")
	r.git(r.work, "commit", "-qm", "odd")
	r.git(r.work, "push", "-q", "origin", "main")
	head := r.git(r.work, "rev-parse", "HEAD")
	repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
	fetch(t, repo, head)
	rev, err := repo.Revision(head)
	if err != nil {
		t.Fatal(err)
	}
	// In the working tree a submodule is a folder with a repository in it.
	r.git(r.work, "init", "-q", "vendor/sub")
	if err := os.MkdirAll(filepath.Join(r.work, "vendor", "sub", "charts"), 0o700); err != nil {
		t.Fatal(err)
	}
	work, err := git.WorkingTree(r.work)
	if err != nil {
		t.Fatal(err)
	}
	for where, files := range map[string]fs.FS{"a commit": rev.Files, "the working tree": work} {
		for path, why := range map[string]string{
			"chart/values.yaml":            "Git LFS pointer",
			"chart/link":                   "symbolic link",
			"linked/values.yaml":           "linked: it is a symbolic link",
			"vendor/sub":                   "it is a submodule",
			"vendor/sub/charts/Chart.yaml": "vendor/sub: it is a submodule",
			"vendor/subs/Chart.yaml":       "file does not exist",
		} {
			_, err := fs.ReadFile(files, path)
			if err == nil || !strings.Contains(strings.Replace(err.Error(), "no such file or directory", "file does not exist", 1), why) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s in %s: %v; want %q", path, where, err, why)
			}
		}
		if raw, err := fs.ReadFile(files, "plain"); err != nil || string(raw) != "1" {
			t.Errorf("plain in %s: %q, %v", where, raw, err)
		}
		if _, err := fs.ReadDir(files, "."); err != nil {
			t.Errorf("the root of %s: %v", where, err)
		}
	}
}

// A file that is none (git has no such thing) would be waited for without end.
func TestAPipeInTheWorkingTreeIsNotOpened(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	work, err := git.WorkingTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadFile(work, "pipe"); err == nil || !strings.Contains(err.Error(), "neither a file nor a folder") {
		t.Errorf("%v", err)
	}
}
