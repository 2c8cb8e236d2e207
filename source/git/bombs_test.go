package git_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// imported has git fast-import read a stream into the remote, and returns main's head.
func (r *remote) imported(stream []byte) string {
	r.t.Helper()
	cmd := exec.Command("git", "fast-import", "--quiet", "--force")
	cmd.Dir, cmd.Stdin = r.bare, bytes.NewReader(stream)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("git fast-import: %v\n%s", err, out)
	}
	return r.git(r.bare, "rev-parse", "main")
}

// first begins a stream: one commit, with one small file that mark 1 names.
func first() *bytes.Buffer {
	return bytes.NewBufferString("blob\nmark :1\ndata 2\nx\n\ncommit refs/heads/main\ncommitter A <a@b.c> 1700000000 +0000\ndata 3\none\nM 100644 :1 calm\n")
}

// tree makes a tree of what git ls-tree lists. git fast-import would take minutes for a
// large one.
func (r *remote) tree(list string) string {
	r.t.Helper()
	cmd := exec.Command("git", "mktree", "--missing")
	cmd.Dir, cmd.Stdin = r.bare, strings.NewReader(list)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// with puts a folder beside a file into the remote's main.
func (r *remote) with(name, tree string) string {
	r.t.Helper()
	root := r.tree(fmt.Sprintf("040000 tree %s\t%s\n100644 blob %s\tcalm\n", tree, name, r.small()))
	head := r.git(r.bare, "commit-tree", "-p", "main", "-m", "bomb", root)
	r.git(r.bare, "update-ref", "refs/heads/main", head)
	return head
}

// small is a small file, in the first commit.
func (r *remote) small() string {
	r.t.Helper()
	if exec.Command("git", "-C", r.bare, "rev-parse", "--verify", "--quiet", "main").Run() != nil {
		r.imported(first().Bytes())
	}
	return r.git(r.bare, "rev-parse", "main:calm")
}

// nestedTrees puts a folder of ten folders of ten folders … that are all the same into
// the remote's main.
func (r *remote) nestedTrees(levels int) string {
	r.t.Helper()
	tree, kind := r.small(), "100644 blob"
	for range levels {
		var list strings.Builder
		for i := range 10 {
			fmt.Fprintf(&list, "%s %s\td%d\n", kind, tree, i)
		}
		tree, kind = r.tree(list.String()), "040000 tree"
	}
	return r.with("bomb", tree)
}

// manyFiles puts a folder of many files into the remote's main, with names in a format.
func (r *remote) manyFiles(n int, format string) string {
	r.t.Helper()
	blob, list := r.small(), strings.Builder{}
	for i := range n {
		fmt.Fprintf(&list, "100644 blob %s\t"+format+"\n", blob, i)
	}
	return r.with("many", r.tree(list.String()))
}

// literal writes a tree as it is given: git checks it no more than a server does by default
// (receive.fsckObjects).
func (r *remote) literal(entries ...string) string {
	r.t.Helper()
	var raw bytes.Buffer
	for _, e := range entries {
		entry, hash, _ := strings.Cut(e, "\t")
		bin, err := hex.DecodeString(hash)
		if err != nil {
			r.t.Fatal(err)
		}
		raw.WriteString(entry + "\x00")
		raw.Write(bin)
	}
	cmd := exec.Command("git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally")
	cmd.Dir, cmd.Stdin = r.bare, &raw
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// Whatever the shape of a commit's folders, it is fetched, and what is of use in it can be
// read, at little cost. What is too much to be read is refused by name.
func TestTreesThatAreBombs(t *testing.T) {
	for sentence, c := range map[string]struct {
		head    func(*remote) string
		reads   string // has a file or folder
		refused string // can't be read
		why     string
	}{
		"folders of the same folders, ten to the power of twelve": {func(r *remote) string { return r.nestedTrees(12) },
			"bomb/d1/d2/d3", "bomb/d1/d2/none", "file does not exist"},
		"a hundred thousand files in one folder": {func(r *remote) string { return r.manyFiles(100_000, "configuration-file-%06d.yaml") },
			"many", "many/none", "file does not exist"},
		"a folder whose list is too large to be read": {func(r *remote) string { return r.manyFiles(120_000, "%0100d") },
			"calm", "many", "its list of files has more than 10 MiB, which is not read: put"},
		"what lies in such a folder": {func(r *remote) string { return r.manyFiles(120_000, "%0100d") },
			"calm", "many/" + fmt.Sprintf("%0100d", 7), "its list of files has more than 10 MiB"},
		"a folder with a mode that no number is": {func(r *remote) string { return r.with("odd", r.literal("100000100644 x\t"+r.small())) },
			"calm", "odd/x", "file does not exist"},
		"folders in folders without end": {func(r *remote) string {
			in := first()
			fmt.Fprintf(in, "M 100644 :1 %sdeep\n", strings.Repeat("d/", 4000))
			return r.imported(in.Bytes())
		}, strings.Repeat("d/", 100) + "d", "none", "file does not exist"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t)
			head := c.head(r)
			repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
			start := time.Now()
			took := allocated(func() { fetch(t, repo, head) })
			rev, err := repo.Revision(head)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := fs.Stat(rev.Files, c.reads); err != nil {
				t.Errorf("%s: %v", c.reads, err)
			}
			if f, err := fs.ReadFile(rev.Files, "calm"); err != nil || string(f) != "x\n" {
				t.Errorf("calm: %q, %v", f, err)
			}
			var path *fs.PathError
			if _, err := fs.Stat(rev.Files, c.refused); !errors.As(err, &path) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%.50s: %.300v\nwant %s", c.refused, err, c.why)
			}
			if time.Since(start) > time.Minute {
				t.Errorf("it took %s", time.Since(start))
			}
			t.Logf("%s, %d MiB allocated", time.Since(start), took>>20)
		})
	}
}

// What a file holds is not read to tell that it is there.
func TestAFileIsNotReadToBeFound(t *testing.T) {
	r := newRemote(t)
	head := r.commit("large", strings.Repeat("x", 20<<20), "one")
	repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
	fetch(t, repo, head)
	rev, err := repo.Revision(head)
	if err != nil {
		t.Fatal(err)
	}
	if took := allocated(func() {
		info, err := fs.Stat(rev.Files, "large")
		if err != nil || info.Size() != 20<<20 || !info.Mode().IsRegular() || info.Name() != "large" {
			t.Errorf("%v, %v", info, err)
		}
	}); took > 5<<20 {
		t.Errorf("it took %d MiB", took>>20)
	}
}
