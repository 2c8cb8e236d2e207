package git_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
	"github.com/xetys/tether/source/printable"
)

// says has main point to a commit whose object is written as it is given, but for the
// tree.
func (r *remote) says(author, committer, message string) string {
	r.t.Helper()
	tree := r.git(r.work, "rev-parse", "HEAD^{tree}")
	parent := r.git(r.work, "rev-parse", "HEAD")
	raw := fmt.Sprintf("tree %s\nparent %s\nauthor %s\ncommitter %s\n\n%s", tree, parent, author, committer, message)
	file := filepath.Join(r.t.TempDir(), "commit")
	if err := os.WriteFile(file, []byte(raw), 0o600); err != nil {
		r.t.Fatal(err)
	}
	sha := r.git(r.work, "hash-object", "-t", "commit", "--literally", "-w", file)
	r.git(r.work, "update-ref", "refs/heads/main", sha)
	r.git(r.work, "push", "-qf", "origin", "main")
	return sha
}

const someone = "A <a@b.c> 1700000000 +0000"

func TestWhatACommitSaysIsTakenInBounded(t *testing.T) {
	r := newRemote(t)
	r.commit("a", "1", "one")
	long := strings.Repeat("x", 1<<20)
	esc, bidi := "\x1b[2J\x1b]0;owned\x07", "\u202e"
	reverted := r.git(r.work, "rev-parse", "HEAD")
	for _, c := range []struct {
		name, author, committer, message string
		want                             source.Commit
	}{
		{"as people write them", "Ann <ann@b.c> 1 +0000", someone, "\n\nBump web\n\nThis reverts commit " + reverted + ".\n",
			source.Commit{Subject: "Bump web", Author: "Ann <ann@b.c>", Reverts: reverted}},
		{"a subject without an end", someone, someone, long, source.Commit{Subject: long[:199] + "…"}},
		{"an author without an end", long[:1<<18] + " <" + long[:1<<18] + "> 1 +0000", someone, "s", source.Commit{Author: long[:199] + "…", Subject: "s"}},
		{"control characters", "A" + esc + " <" + bidi + "@b.c> 1 +0000", someone, "Bump" + esc + bidi + " web\rhidden",
			source.Commit{Subject: "Bump�[2J�]0;owned�� web hidden", Author: "A�[2J�]0;owned� <�@b.c>"}},
		{"Latin 1", "J\xf6rg <a@b.c> 1 +0000", someone, "gr\xfc\xdfe", source.Commit{Subject: "gr��e", Author: "J�rg <a@b.c>"}},
		{"no message", someone, someone, "", source.Commit{}},
		{"nobody", "", "", "s", source.Commit{Subject: "s", Author: "<>", Time: time.Unix(0, 0)}},
		{"the year 10,000", someone, "A <a@b.c> 253402300800 +0000", "s", source.Commit{Subject: "s", Time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}},
		{"the year 9999, where it is later", someone, "A <a@b.c> 253402300799 +1400", "s", source.Commit{Subject: "s", Time: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}},
		{"the end of all numbers", someone, "A <a@b.c> 9223372036854775807 +0000", "s", source.Commit{Subject: "s"}},
		{"behind the end of all numbers", someone, "A <a@b.c> 99999999999999999999999 +0000", "s", source.Commit{Subject: "s"}},
		{"before the year 0", someone, "A <a@b.c> -99999999999999 +0000", "s", source.Commit{Subject: "s", Time: time.Unix(0, 0)}},
		{"no time zone", someone, "A <a@b.c> 1700000000 +99999999", "s", source.Commit{Subject: "s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sha := r.says(c.author, c.committer, c.message)
			repo := with(t, git.Options{URL: r.bare, Refs: main})
			fetch(t, repo, sha)
			got := heads(t, repo)["main"].Commit
			between, err := repo.Between(r.git(r.work, "rev-parse", sha+"^"), sha, 10)
			if err != nil || len(between) != 1 || between[0] != got {
				t.Errorf("between says %v, %v", between, err)
			}
			if got.Subject != c.want.Subject || got.Reverts != c.want.Reverts {
				t.Errorf("subject %q, reverts %q", got.Subject, got.Reverts)
			}
			if c.want.Author != "" && got.Author != c.want.Author {
				t.Errorf("author %q, want %q", got.Author, c.want.Author)
			}
			if !c.want.Time.IsZero() && !got.Time.Equal(c.want.Time) {
				t.Errorf("time %s, want %s", got.Time, c.want.Time)
			}
			raw, err := json.Marshal(got)
			if err != nil || len(raw) > 2048 {
				t.Errorf("%d bytes of JSON, %v", len(raw), err)
			}
			for _, text := range []string{got.Subject, got.Author} {
				if !printable.Is(text) || utf8.RuneCountInString(text) > 200 {
					t.Errorf("%q can't be shown", text)
				}
			}
		})
	}
}

// peak returns by how much f has the process's memory grow at the most, as far as the
// garbage collector lets it.
func peak(t *testing.T, f func()) uint64 {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(20))
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	done, most := make(chan struct{}), make(chan uint64)
	go func() {
		var max uint64
		for {
			var now runtime.MemStats
			runtime.ReadMemStats(&now)
			if now.HeapInuse > max {
				max = now.HeapInuse
			}
			select {
			case <-done:
				most <- max
				return
			case <-time.After(2 * time.Millisecond): // between two looks
			}
		}
	}()
	f()
	close(done)
	max := <-most
	return max - min(max, before.HeapInuse)
}

// A message of 100 MB is 100 KB of git: neither storing nor reading it takes memory.
func TestAMessageOf100MBCostsNoMemory(t *testing.T) {
	for _, size := range []int{1 << 20, 30 << 20, 100 << 20} {
		t.Run(fmt.Sprintf("%d MiB", size>>20), func(t *testing.T) {
			r := newRemote(t)
			first := r.commit("a", "1", "one")
			var in bytes.Buffer
			for n := range 3 { // alike, so that git packs them as deltas
				fmt.Fprintf(&in, "commit refs/heads/main\ncommitter A <a@b.c> 170000000%d +0000\ndata %d\nbig %d\n", n, size, n)
				in.Write(bytes.Repeat([]byte("This reverts everything.\n"), size/25+1)[:size-6])
				if n == 0 {
					fmt.Fprintf(&in, "\nfrom %s", first)
				}
				fmt.Fprintf(&in, "\nM 100644 inline a\ndata 1\n%d\n", n)
			}
			cmd := exec.Command("git", "fast-import", "--quiet", "--force")
			cmd.Dir, cmd.Stdin = r.bare, &in
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("git fast-import: %v\n%s", err, out)
			}
			r.git(r.bare, "repack", "-adfq")
			head := r.git(r.bare, "rev-parse", "main")
			repo := with(t, git.Options{URL: r.bare, Refs: main})
			used := peak(t, func() { fetch(t, repo, head) })
			if used > 48<<20 {
				t.Errorf("a fetch took %d MiB", used>>20)
			}
			used = peak(t, func() {
				for range 3 {
					fetch(t, repo, head)
				}
				between, err := repo.Between(first, head, 10)
				if err != nil || len(between) != 3 || between[1].Subject != "big 1" {
					t.Errorf("between: %d commits, %v", len(between), err)
				}
				if rev, err := repo.Revision(head); err != nil || rev.Subject != "big 2" {
					t.Errorf("revision: %v", err)
				}
			})
			if used > 16<<20 {
				t.Errorf("reading them took %d MiB", used>>20)
			}
			t.Logf("%d MiB", used>>20)
		})
	}
}

// A file of zeros is a thousandth of its size in git: what is in a pack takes no memory
// before somebody reads it, and what is too large is not read.
func TestALargeFileCostsNoMemory(t *testing.T) {
	r := newRemote(t)
	first := r.commit("a", "1", "one")
	var in bytes.Buffer
	fmt.Fprintf(&in, "commit refs/heads/main\ncommitter A <a@b.c> 1700000000 +0000\ndata 4\nbomb\nfrom %s\n", first)
	for n, size := range []int{200 << 20, 200<<20 + 1, 20 << 20} { // one becomes a delta of the other
		fmt.Fprintf(&in, "M 100644 inline bomb%d.yaml\ndata %d\n", n, size)
		in.Write(make([]byte, size))
		in.WriteByte('\n')
	}
	cmd := exec.Command("git", "fast-import", "--quiet")
	cmd.Dir, cmd.Stdin = r.bare, &in
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	in = bytes.Buffer{}
	r.git(r.bare, "repack", "-adfq")
	head := r.git(r.bare, "rev-parse", "main")
	repo := with(t, git.Options{URL: r.bare, Refs: main})
	used := peak(t, func() {
		fetch(t, repo, head)
		rev, err := repo.Revision(head)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			_, err = rev.Files.Open(fmt.Sprintf("bomb%d.yaml", n))
			if err == nil || !strings.Contains(err.Error(), "it has 200 MiB: files of more than 32 MiB are not read") {
				t.Errorf("bomb %d: %v", n, err)
			}
		}
	})
	if used > 48<<20 {
		t.Errorf("it took %d MiB", used>>20)
	}
	if left := files(t, git.Dir(repo), "fetched-*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
