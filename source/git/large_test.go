package git_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
)

// monorepo makes a repository of many files and commits, each of which changes
// one file.
func monorepo(t *testing.T, files, commits int) *remote {
	t.Helper()
	r := newRemote(t)
	var in bytes.Buffer
	who := "committer A <a@b.c> 1700000000 +0000\n"
	fmt.Fprintf(&in, "commit refs/heads/main\n%sdata 5\nfirst\n", who)
	for i := range files {
		content := fmt.Sprintf("name: file%d\n", i)
		fmt.Fprintf(&in, "M 100644 inline d%d/s%d/f%d.yaml\ndata %d\n%s\n", i%40, i%400/40, i, len(content), content)
	}
	for n := range commits {
		content := fmt.Sprintf("tag: v%d\n", n)
		fmt.Fprintf(&in, "commit refs/heads/main\n%sdata 4\nbump\nM 100644 inline d%d/s1/f%d.yaml\ndata %d\n%s\n", who, n%40, n, len(content), content)
	}
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Stdin = r.bare, &in
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	r.git(r.work, "pull", "-q", "origin", "main")
	return r
}

// allocated returns how many bytes f asks for in all, garbage included.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// In a large repository a commit costs what it changes, and a poll without one
// next to nothing.
func TestAFetchCostsWhatChanged(t *testing.T) {
	r := monorepo(t, 20000, 2000)
	dir := filepath.Join(t.TempDir(), "clone")
	repo := open(t, r, dir)
	fetch(t, repo, r.git(r.work, "rev-parse", "HEAD"))
	whole := repo.TreesRead()
	if whole < 400 {
		t.Errorf("the first fetch read %d trees only", whole)
	}
	head := r.commit("d7/s1/f47.yaml", "tag: new\n", "one more")
	bytes := allocated(func() { fetch(t, repo, head) })
	if n := repo.TreesRead() - whole; n > 3 {
		t.Errorf("one file more had %d trees read; want the root, d7 and d7/s1", n)
	}
	if bytes > 16<<20 {
		t.Errorf("one commit more cost %d KiB", bytes>>10)
	}
	trees := repo.TreesRead()
	if bytes := allocated(func() { fetch(t, repo, head) }); bytes > 1<<20 || repo.TreesRead() != trees {
		t.Errorf("a poll without news cost %d KiB and %d trees", bytes>>10, repo.TreesRead()-trees)
	}
	// A branch that is cut from it is not read anew either.
	r.git(r.work, "push", "-q", "origin", "main:other")
	both := with(t, git.Options{URL: r.bare, Refs: []source.Ref{"main", "other"}})
	heads(t, both)
	if n := both.TreesRead(); n > whole+3 {
		t.Errorf("two branches with the same files had %d trees read, one %d", n, whole)
	}
}

func TestPacksDoNotPileUp(t *testing.T) {
	r := monorepo(t, 8000, 50)
	dir := filepath.Join(t.TempDir(), "clone")
	repo := open(t, r, dir)
	first := r.git(r.work, "rev-parse", "HEAD")
	fetch(t, repo, first)
	base := largest(t, dir)
	held, err := repo.Revision(first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs.ReadFile(held.Files, "d1/s0/f1.yaml"); err != nil {
		t.Fatal(err)
	}
	reset := r.commit("d0/s0/f0.yaml", "to be reset\n", "reset")
	fetch(t, repo, reset)
	r.git(r.work, "reset", "-q", "--hard", first)
	most := 0
	for i := range 104 {
		head := r.commit("d0/s0/f0.yaml", fmt.Sprintf("n: %d\n", i), fmt.Sprint(i))
		fetch(t, repo, head)
		most = max(most, len(files(t, dir, "objects/pack/*.pack")))
	}
	if most > 51 {
		t.Errorf("there were %d packs", most)
	}
	if n := len(files(t, dir, "objects/pack/*.pack")); n > 20 {
		t.Errorf("%d packs are left", n)
	}
	if n, indexes := len(files(t, dir, "objects/pack/*.pack")), len(files(t, dir, "objects/pack/*.idx")); n != indexes {
		t.Errorf("%d packs and %d indexes", n, indexes)
	}
	if loose := files(t, dir, "objects/??/*"); len(loose) > 0 {
		t.Errorf("%d loose objects", len(loose))
	}
	if left := append(files(t, dir, "fetched-*"), files(t, dir, "objects/pack/tmp_*")...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if after := largest(t, dir); after != base {
		t.Errorf("the large pack was written anew: %s and %s", base, after)
	}
	if out, err := exec.Command("git", "--git-dir", dir, "fsck", "--full", "--strict").CombinedOutput(); err != nil {
		t.Errorf("git fsck: %v\n%s", err, out)
	}
	// What was held before is read from the new packs; what the branch was reset
	// from is not lost.
	if raw, err := fs.ReadFile(held.Files, "d2/s0/f2.yaml"); err != nil || string(raw) == "" {
		t.Errorf("a revision from before: %v", err)
	}
	rev, err := open(t, r, dir).Last("main")
	if err != nil || rev.Subject != "103" {
		t.Errorf("last is %q, %v", rev.Subject, err)
	}
	if rev, err := repo.Revision(reset); err != nil {
		t.Errorf("the commit that was reset: %v", err)
	} else if raw, err := fs.ReadFile(rev.Files, "d0/s0/f0.yaml"); err != nil || string(raw) != "to be reset\n" {
		t.Errorf("its file: %q, %v", raw, err)
	}
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func largest(t *testing.T, dir string) string {
	t.Helper()
	name, size := "", int64(0)
	for _, f := range files(t, dir, "objects/pack/*.pack") {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > size {
			name, size = filepath.Base(f), info.Size()
		}
	}
	return name
}

func TestLeftoversOfAKilledProcessAreRemoved(t *testing.T) {
	r := newRemote(t)
	dir := filepath.Join(t.TempDir(), "clone")
	fetch(t, open(t, r, dir), r.commit("a", "1", "one"))
	for _, name := range []string{"fetched-1.pack", "objects/pack/tmp_pack_1"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fetch(t, open(t, r, dir), r.commit("a", "2", "two"))
	if left := append(files(t, dir, "fetched-*"), files(t, dir, "objects/pack/tmp_*")...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A clone whose commits are all there and that lacks one file is damaged.
func TestAFileThatIsMissingIsNoticed(t *testing.T) {
	r := newRemote(t)
	dir := filepath.Join(t.TempDir(), "clone")
	repo := open(t, r, dir)
	fetch(t, repo, r.commit("a", "1", "one"))
	head := r.commit("b", "2", "two")
	blob := r.git(r.work, "rev-parse", "HEAD:b")
	// A pack with the commit and its tree, without the file.
	objects := r.git(r.work, "rev-parse", "HEAD") + "\n" + r.git(r.work, "rev-parse", "HEAD^{tree}") + "\n"
	cmd := exec.Command("git", "pack-objects", "-q", filepath.Join(dir, "objects", "pack", "pack"))
	cmd.Dir, cmd.Stdin = r.work, bytes.NewReader([]byte(objects))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	again := open(t, r, dir)
	fetch(t, again, head)
	rev, err := again.Revision(head)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := fs.ReadFile(rev.Files, "b"); err != nil || string(raw) != "2" {
		t.Errorf("file %s: %q, %v", blob, raw, err)
	}
}

// git stores a large file that changed as a delta, which may take pieces of the
// former one in any order.
func TestALargeFileThatChangedIsReadAsItIs(t *testing.T) {
	r := newRemote(t)
	var parts [4]bytes.Buffer
	for i, lines := range []int{10, 20000, 10000, 30000} {
		for n := range lines {
			fmt.Fprintf(&parts[i], "part %d, line %d of it\n", i, n*n)
		}
	}
	join := func(order ...int) (text string) {
		for _, i := range order {
			text += parts[i].String()
		}
		return text
	}
	texts := map[string]string{}
	head := ""
	for _, text := range []string{join(0, 1, 0, 3), join(0, 1, 2, 3)} { // the larger is what the other becomes a delta of
		head = r.commit("large.yaml", text, "another order")
		texts[head] = text
	}
	r.git(r.bare, "repack", "-qadf")
	repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
	fetch(t, repo, head)
	for commit, want := range texts {
		rev, err := repo.Revision(commit)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := fs.ReadFile(rev.Files, "large.yaml"); err != nil || string(got) != want {
			t.Errorf("%d bytes were read, which are not the %d of commit %s: %v", len(got), len(want), commit, err)
		}
	}
}
