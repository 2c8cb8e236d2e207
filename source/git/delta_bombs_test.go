package git_test

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1" //nolint:gosec // it is git's
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// number is one of a delta or of a pack's entry: seven bits a byte.
func number(n int) (out []byte) {
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}

// deltaPacked puts blobs into the remote that each are a delta of the one before, as a pack
// that git takes: the first is of a small file.
func (r *remote) deltaPacked(deltas ...[]byte) {
	r.t.Helper()
	var pack bytes.Buffer
	pack.WriteString("PACK")
	_ = binary.Write(&pack, binary.BigEndian, []uint32{2, uint32(len(deltas) + 1)})
	entry := func(kind byte, before, raw []byte) int {
		at := pack.Len()
		first := kind<<4 | byte(len(raw)&0xf)
		if len(raw) > 0xf {
			pack.Write(append([]byte{first | 0x80}, number(len(raw)>>4)...))
		} else {
			pack.WriteByte(first)
		}
		pack.Write(before)
		z := zlib.NewWriter(&pack)
		_, _ = z.Write(raw)
		_ = z.Close()
		return at
	}
	last := entry(3, nil, []byte("x\n"))
	for _, d := range deltas {
		back := pack.Len() - last
		offset := []byte{byte(back & 0x7f)}
		for back >>= 7; back > 0; back >>= 7 {
			back--
			offset = append([]byte{byte(back&0x7f) | 0x80}, offset...)
		}
		last = entry(6, offset, d)
	}
	sum := sha1.Sum(pack.Bytes()) //nolint:gosec // as above
	pack.Write(sum[:])
	cmd := exec.Command("git", "index-pack", "--stdin")
	cmd.Dir, cmd.Stdin = r.bare, &pack
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
}

// saysItself is a delta that makes a text of its own of a base, in pieces as large as they may be.
func saysItself(base, text []byte) []byte {
	out := append(number(len(base)), number(len(text))...)
	for len(text) > 0 {
		n := min(len(text), 127)
		out = append(append(out, byte(n)), text[:n]...)
		text = text[n:]
	}
	return out
}

// copies is a delta that copies the first byte of its base so often, in as many words as
// possible: eight bytes for each.
func copies(base []byte, n int) []byte {
	out := append(number(len(base)), number(n)...)
	return append(out, bytes.Repeat([]byte{0xff, 0, 0, 0, 0, 1, 0, 0}, n)...)
}

func blobHash(raw []byte) string {
	h := sha1.New() //nolint:gosec // as above
	fmt.Fprintf(h, "blob %d\x00", len(raw))
	h.Write(raw)
	return hex.EncodeToString(h.Sum(nil))
}

// A delta can have any amount of text of its own, in a few bytes of a pack. To tell how large
// its object is takes none of it, nor to read what is made of it.
func TestDeltasThatAreBombs(t *testing.T) {
	r := newRemote(t)
	r.small()
	small := []byte("x\n")
	huge := bytes.Repeat([]byte("0"), 80<<20)
	after := append(bytes.Clone(huge[:1000]), "and one more"...)
	wordy := bytes.Repeat([]byte("x"), 3<<20)
	r.deltaPacked(saysItself(small, huge), saysItself(huge, after))
	r.deltaPacked(copies(small, len(wordy)))
	head := r.with("bomb", r.tree(fmt.Sprintf("100644 blob %s\tafter\n100644 blob %s\thuge\n100644 blob %s\twordy\n", blobHash(after), blobHash(huge), blobHash(wordy))))
	repo := open(t, r, filepath.Join(t.TempDir(), "clone"))
	if took := peak(t, func() { fetch(t, repo, head) }); took > 32<<20 {
		t.Errorf("to fetch took %d MiB", took>>20)
	}
	rev, err := repo.Revision(head)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		size int
		text []byte
		most uint64
	}{"huge": {len(huge), nil, 8 << 20}, "after": {len(after), after, 8 << 20}, "wordy": {len(wordy), wordy, 32 << 20}} {
		took := allocated(func() {
			entries, err := fs.ReadDir(rev.Files, "bomb")
			if err != nil || len(entries) != 3 {
				t.Fatalf("%v, %v", entries, err)
			}
			for _, e := range entries {
				if info, err := e.Info(); e.Name() == name && (err != nil || info.Size() != int64(want.size)) {
					t.Errorf("%s: %v, %v", name, info, err)
				}
			}
			raw, err := fs.ReadFile(rev.Files, "bomb/"+name)
			switch {
			case want.text == nil && (err == nil || !strings.Contains(err.Error(), "it has 80 MiB: files of more than 32 MiB are not read")):
				t.Errorf("%s: %d bytes, %v", name, len(raw), err)
			case want.text != nil && (err != nil || !bytes.Equal(raw, want.text)):
				t.Errorf("%s: %d bytes, %v", name, len(raw), err)
			}
		})
		if took > want.most {
			t.Errorf("%s took %d MiB", name, took>>20)
		}
	}
	again := open(t, r, filepath.Join(t.TempDir(), "clone"))
	fetch(t, again, head)
}
