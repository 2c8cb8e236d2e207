package git

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
)

// packOf returns a pack with many deltas, made by git itself, and what git says is in it.
func packOf(t *testing.T, options ...string) ([]byte, string) {
	t.Helper()
	dir := t.TempDir()
	git := func(in string, args ...string) []byte {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
		cmd.Stdin = strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return out
	}
	git("", "init", "-q", "--bare")
	var in strings.Builder
	for n := range 60 {
		var text strings.Builder
		for line := range 300 {
			fmt.Fprintf(&text, "line %d of %d\n", line*line+n/20, n%3)
		}
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter A <a@b.c> 17000000%02d +0000\ndata 3\n%03d\nM 100644 inline f%d\ndata %d\n%s%d\n\n", n, n, n%5, text.Len()+len(fmt.Sprint(n))+1, text.String(), n)
	}
	git(in.String(), "fast-import", "--quiet")
	pack := git("", append([]string{"pack-objects", "-q", "--revs", "--all", "--stdout"}, options...)...)
	file := filepath.Join(dir, "x.pack")
	if err := os.WriteFile(file, pack, 0o600); err != nil {
		t.Fatal(err)
	}
	git("", "index-pack", "-o", file+".idx", file)
	raw, err := os.ReadFile(file + ".idx")
	if err != nil {
		t.Fatal(err)
	}
	return pack, string(raw)
}

func indexOf(t *testing.T, pack []byte) (string, error) {
	t.Helper()
	dir := t.TempDir()
	file, err := os.Create(filepath.Join(dir, "pack"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(pack); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	index, _, err := indexPack(context.Background(), file, dir)
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	_, err = idxfile.NewEncoder(&out).Encode(index)
	return out.String(), err
}

// The index of a pack is the very one that git makes of it, whatever form its deltas
// have.
func TestAnIndexIsThatOfGit(t *testing.T) {
	for name, options := range map[string][]string{
		"deltas by offset": {"--delta-base-offset", "--depth=200"}, "deltas by name": {"--depth=50"}, "no deltas": {"--depth=0"},
	} {
		pack, want := packOf(t, options...)
		if have, err := indexOf(t, pack); err != nil || have != want {
			t.Errorf("%s: %d bytes, %v; git has %d", name, len(have), err, len(want))
		}
	}
}

// A pack that was changed on the way, or made to do harm, is an error and nothing else.
func TestAPackThatIsBrokenIsAnError(t *testing.T) {
	pack, want := packOf(t, "--delta-base-offset", "--depth=50")
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 400 {
		broken := bytes.Clone(pack)
		if n%4 == 0 {
			broken = broken[:r.IntN(len(broken))]
		} else {
			broken[8+r.IntN(len(broken)-28)] ^= byte(1 + r.IntN(255))
		}
		if have, err := indexOf(t, broken); err == nil && have == want {
			t.Errorf("the %d. broken pack is as good as the whole one", n)
		}
	}
	if _, err := indexOf(t, append([]byte("PACK\x00\x00\x00\x02\xff\xff\xff\xff"), make([]byte, 20)...)); err == nil || !strings.Contains(err.Error(), "it says that it has 4294967295 objects, in 32 bytes") {
		t.Errorf("a pack of objects without an end: %v", err)
	}
}
