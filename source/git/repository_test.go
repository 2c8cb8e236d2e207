package git_test

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
)

// remote is a real bare repository and a checkout of it.
type remote struct {
	t          *testing.T
	bare, work string
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	dir := t.TempDir()
	r := &remote{t: t, bare: filepath.Join(dir, "bare.git"), work: filepath.Join(dir, "work")}
	r.git(dir, "init", "-q", "--bare", "--initial-branch=main", r.bare)
	r.git(dir, "init", "-q", "--initial-branch=main", r.work)
	r.git(r.work, "remote", "add", "origin", r.bare)
	return r
}

func (r *remote) git(dir string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=A", "-c", "user.email=a@b.c"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *remote) mkdir(folder string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.work, folder), 0o700); err != nil {
		r.t.Fatal(err)
	}
}

func (r *remote) commit(file, content, message string) string {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.work, file), []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.git(r.work, "add", "-A")
	r.git(r.work, "commit", "-qm", message)
	r.git(r.work, "push", "-qf", "origin", "main")
	return r.git(r.work, "rev-parse", "HEAD")
}

func open(t *testing.T, r *remote, dir string) *git.Repository {
	t.Helper()
	repo, err := git.New(git.Options{URL: r.bare, Refs: []source.Ref{"main"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return repo
}

func TestFollowsTheBranchThroughPushAndForcePush(t *testing.T) {
	r := newRemote(t)
	repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
	first := r.commit("a", "1", "one")
	fetch(t, repo, first)
	second := r.commit("a", "2", "two")
	third := r.commit("a", "3", "three")
	fetch(t, repo, third)
	between, err := repo.Between(first, third, 10)
	if err != nil || len(between) != 2 || between[0].SHA != second || between[1].SHA != third {
		t.Fatalf("between: %v, %v", between, err)
	}
	r.git(r.work, "reset", "-q", "--hard", first)
	forced := r.commit("a", "4", "forced")
	fetch(t, repo, forced)
	rev, err := repo.Revision(forced)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := fs.ReadFile(rev.Files, "a"); err != nil || string(raw) != "4" {
		t.Fatalf("a is %q, %v", raw, err)
	}
}

func fetch(t *testing.T, repo *git.Repository, want string) {
	t.Helper()
	heads, err := repo.Fetch(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := heads["main"]; got.SHA != want || got.Err != nil {
		t.Fatalf("head is %s, %v, want %s", got.SHA, got.Err, want)
	}
}

func TestADamagedCloneIsMadeAfresh(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	dir := filepath.Join(t.TempDir(), "clone")
	fetch(t, open(t, r, dir), head)
	if err := os.RemoveAll(filepath.Join(dir, "objects")); err != nil {
		t.Fatal(err)
	}
	fetch(t, open(t, r, dir), head)
}

func TestAnEmptyRepositoryAndAMissingBranchAreSaid(t *testing.T) {
	r := newRemote(t)
	repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
	if _, err := repo.Fetch(context.Background()); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("an empty repository: %v", err)
	}
	r.commit("a", "1", "one")
	heads, err := with(t, git.Options{URL: r.bare, Refs: []source.Ref{"other", "main"}}).Fetch(context.Background())
	if err != nil || heads["other"].Err == nil || !strings.Contains(heads["other"].Err.Error(), "fetch branch other of "+r.bare+": the branch does not exist") {
		t.Errorf("a missing branch: %v, %v", heads["other"].Err, err)
	}
	if heads["main"].SHA == "" || heads["main"].Err != nil {
		t.Errorf("beside a missing branch: %v", heads["main"])
	}
}
