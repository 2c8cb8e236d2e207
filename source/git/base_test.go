package git_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xetys/tether/source/git"
)

// dated commits at a time of its own: the order of commits is by it.
func (r *remote) dated(minute int, args ...string) string {
	r.t.Helper()
	at := fmt.Sprintf("2026-01-01T00:%02d:00Z", minute)
	r.t.Setenv("GIT_COMMITTER_DATE", at)
	r.t.Setenv("GIT_AUTHOR_DATE", at)
	r.git(r.work, args...)
	return r.git(r.work, "rev-parse", "HEAD")
}

// What git merge-base says is what Base says: of branches, merges and what was pushed.
func TestWhereARevisionLeftTheMainBranch(t *testing.T) {
	r := newRemote(t)
	commit := func(minute int, message string) string {
		return r.dated(minute, "commit", "-q", "--allow-empty", "-m", message)
	}
	commit(0, "one")
	two := commit(1, "two")
	r.git(r.work, "checkout", "-q", "-b", "topic")
	commit(2, "of the topic")
	r.git(r.work, "checkout", "-q", "main")
	three := commit(3, "three")
	r.git(r.work, "push", "-q", "origin", "main")
	r.git(r.work, "remote", "set-head", "origin", "main")
	r.git(r.work, "checkout", "-q", "topic")
	base := func(rev string, mains ...string) string {
		t.Helper()
		have, _, err := git.Base(r.work, rev, mains...)
		if err != nil {
			t.Fatal(err)
		}
		if want := r.git(r.work, "merge-base", rev, mains[len(mains)-1]); have != want {
			t.Errorf("%s and %s: %s, and git says %s", rev, mains, have, want)
		}
		return have
	}
	if have := base("HEAD", "refs/remotes/origin/HEAD"); have != two {
		t.Errorf("the topic left main at %s, not %s", have, two)
	}
	if have := base("main", "absent", "refs/remotes/origin/main"); have != three {
		t.Errorf("what was pushed left main at %s, not %s", have, three)
	}
	r.dated(4, "merge", "-q", "--no-ff", "-m", "take main", "main")
	if have := base("HEAD", "main"); have != three {
		t.Errorf("after the merge of main: %s, not %s", have, three)
	}
	r.git(r.work, "checkout", "-q", "main")
	r.dated(5, "merge", "-q", "--no-ff", "-m", "take what the topic had", "topic~1")
	base("topic", "main") // both have merged the other
}

func TestWhatHasNoMainBranchSaysSo(t *testing.T) {
	r := newRemote(t)
	r.commit("a", "1", "one")
	if _, _, err := git.Base(r.work, "HEAD", "origin/HEAD", "trunk"); err == nil || !strings.Contains(err.Error(), "the main branch is not here: there is no origin/HEAD, no trunk") || strings.Contains(err.Error(), "shallow") {
		t.Errorf("without one: %v", err)
	}
	r.git(r.work, "checkout", "-q", "--orphan", "other")
	r.git(r.work, "commit", "-qm", "of another history")
	if _, _, err := git.Base(r.work, "HEAD", "main"); err == nil || !strings.Contains(err.Error(), "HEAD and main have no commit in common") {
		t.Errorf("of another history: %v", err)
	}
}

// A job's clone that is too shallow is told how to be made deeper.
func TestAShallowCloneSaysWhichDepthMendsIt(t *testing.T) {
	r := newRemote(t)
	r.commit("a", "1", "one")
	r.git(r.work, "checkout", "-q", "-b", "topic")
	r.commit("a", "2", "two")
	r.git(r.work, "push", "-q", "origin", "topic")
	r.git(r.work, "checkout", "-q", "main")
	r.commit("a", "3", "three")
	shallow := filepath.Join(t.TempDir(), "shallow")
	r.git(r.work, "clone", "-q", "--depth", "1", "--no-single-branch", "--branch", "topic", "file://"+r.bare, shallow)
	mends := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "git fetch --unshallow") && strings.Contains(err.Error(), "fetch-depth: 0")
	}
	if _, _, err := git.Base(shallow, "HEAD", "origin/main"); !mends(err) {
		t.Errorf("the merge base: %v", err)
	}
	if _, err := git.OpenLocal(shallow, "HEAD~1"); !mends(err) {
		t.Errorf("an older revision: %v", err)
	}
	r.git(shallow, "fetch", "-q", "--unshallow")
	if have, main, err := git.Base(shallow, "HEAD", "origin/main"); err != nil || main != "origin/main" || have != r.git(shallow, "merge-base", "HEAD", "origin/main") {
		t.Errorf("once it is deep: %s of %s, %v", have, main, err)
	}
}

// A further working tree of a repository has its refs in the repository's own folder.
func TestAFurtherWorkingTreeHasTheRepositorysRefs(t *testing.T) {
	r := newRemote(t)
	head := r.commit("a", "1", "one")
	further := filepath.Join(t.TempDir(), "further")
	r.git(r.work, "worktree", "add", "-q", "-b", "topic", further)
	if err := os.WriteFile(filepath.Join(further, "a"), []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if have, _, err := git.Base(further, "HEAD", "main"); err != nil || have != head {
		t.Errorf("%s, %v; want %s", have, err, head)
	}
}
