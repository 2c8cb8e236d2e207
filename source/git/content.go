package git

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/objfile"
)

// fetchedPack is the name of a pack on its way in, and of a large object out of it.
const fetchedPack = "fetched-*.pack"

// largeObject is from what size on objects are read piece by piece. go-git then mistakes
// a delta that takes pieces of a file in any other order than theirs, so that is left to
// what is larger than a chart may be.
const largeObject = 32 << 20

// content is what an object holds, in memory or, if it is large, in a file.
type content struct {
	io.ReaderAt
	size int64
	raw  []byte
	file *os.File
}

func (c *content) close() {
	if c != nil && c.file != nil {
		c.file.Close()
		os.Remove(c.file.Name())
	}
}

// newContent holds what write writes.
func newContent(dir string, size int64, write func(io.Writer) error) (*content, error) {
	if size <= inMemory {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return nil, err
		}
		return &content{ReaderAt: bytes.NewReader(b.Bytes()), size: int64(b.Len()), raw: b.Bytes()}, nil
	}
	file, err := os.CreateTemp(dir, fetchedPack)
	if err != nil {
		return nil, err
	}
	c := &content{ReaderAt: file, size: size, file: file}
	w := bufio.NewWriterSize(file, 1<<16)
	if err := cmp.Or(write(w), w.Flush()); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// storeBeside writes an object down by itself, as git has those that are in no pack. Its size
// stands at its head. Of one that is too large for anybody to read, no more than that is kept.
func storeBeside(dir string, kind plumbing.ObjectType, hash plumbing.Hash, c *content) (err error) {
	name := hash.String()
	in := filepath.Join(dir, "objects", name[:2])
	if err := os.MkdirAll(in, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(in, "tmp_obj_")
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		} else {
			err = os.Rename(file.Name(), filepath.Join(in, name[2:]))
		}
	}()
	w := objfile.NewWriter(file)
	if err := w.WriteHeader(kind, c.size); err != nil {
		return err
	}
	if c.size <= largeObject {
		if _, err := io.Copy(w, io.NewSectionReader(c, 0, c.size)); err != nil {
			return err
		}
	}
	return w.Close()
}
