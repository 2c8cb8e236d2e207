package git

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// beginnings is the clone's folder for the beginnings of commits and tags that are too
// large to be read: they are written down when the pack comes in, since the library
// would read the whole of them each time.
const beginnings = "beginnings"

// beginning keeps the first bytes of what is written to it.
type beginning struct {
	raw []byte
	max int
}

// newBeginning keeps maxBeginning bytes of a commit or a tag that is too large, and
// nothing of all else.
func newBeginning(kind plumbing.ObjectType, size int64) *beginning {
	if size <= maxObject || kind != plumbing.CommitObject && kind != plumbing.TagObject {
		return &beginning{}
	}
	return &beginning{max: maxBeginning}
}

// maxBeginning is how much is kept of a commit or a tag that is larger than maxObject.
const maxBeginning = 64 << 10

// Write implements io.Writer.
func (b *beginning) Write(p []byte) (int, error) {
	b.raw = append(b.raw, p[:min(len(p), b.max-len(b.raw))]...)
	return len(p), nil
}

// store writes down what was kept of an object.
func (b *beginning) store(dir string, hash plumbing.Hash) error {
	if b.max == 0 {
		return nil
	}
	in := filepath.Join(dir, beginnings)
	if err := os.MkdirAll(in, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(in, hash.String()), b.raw, 0o600)
}

// beginningOf returns the beginning of an object that is too large.
func beginningOf(store storer.EncodedObjectStorer, o plumbing.EncodedObject, hash plumbing.Hash) ([]byte, error) {
	var r io.ReadCloser
	err := fs.ErrNotExist
	if s, ok := store.(*filesystem.Storage); ok {
		r, err = s.Filesystem().Open(path.Join(beginnings, hash.String()))
	}
	if errors.Is(err, fs.ErrNotExist) { // it is a repository of somebody else's
		r, err = o.Reader()
	}
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, maxBeginning))
}
