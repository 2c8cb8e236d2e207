package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// treeFS is a commit's tree as a file system. It reads git's objects when they
// are asked for, under the repository's lock, from where they are by then: the
// clone may be repacked meanwhile.
type treeFS struct {
	mu    *sync.RWMutex
	store func() storer.EncodedObjectStorer
	root  plumbing.Hash

	own  sync.Mutex // guards what follows, and the tree's own memory
	at   storer.EncodedObjectStorer
	tree *object.Tree
}

// lock locks the file system, and has its tree read from where it is now. leave
// is to be called in any case.
func (t *treeFS) lock() error {
	t.own.Lock()
	t.mu.RLock()
	s := t.store()
	if t.tree != nil && t.at == s {
		return nil
	}
	tree, err := object.GetTree(boundedTrees{s}, t.root)
	if err == nil {
		t.tree, t.at = tree, s
	}
	return err
}

func (t *treeFS) unlock() {
	t.mu.RUnlock()
	t.own.Unlock()
}

// maxTree bounds what a folder lists: that of 100,000 files has some 5 MiB. A larger one is
// not read, nor what lies in it.
const maxTree = 10 << 20

var errTree = fmt.Errorf("its list of files has more than %d MiB, which is not read: put what is no part of the repository's configuration elsewhere, or the files into several folders", maxTree>>20)

// boundedTrees gives out trees whose size, which stands before them, is within bounds.
type boundedTrees struct{ storer.EncodedObjectStorer }

// EncodedObject implements storer.EncodedObjectStorer.
func (b boundedTrees) EncodedObject(kind plumbing.ObjectType, hash plumbing.Hash) (plumbing.EncodedObject, error) {
	if kind == plumbing.TreeObject {
		if n, err := b.EncodedObjectSize(hash); err == nil && n > maxTree {
			return nil, errTree
		}
	}
	return b.EncodedObjectStorer.EncodedObject(kind, hash)
}

// Hash returns git's own hash of the tree or file at a path: equal hashes are
// equal contents.
func (t *treeFS) Hash(name string) (string, error) {
	defer t.unlock()
	if err := t.lock(); err != nil {
		return "", &fs.PathError{Op: "hash", Path: name, Err: err}
	}
	if name == "." {
		return t.root.String(), nil
	}
	e, err := t.tree.FindEntry(name)
	if errors.Is(err, errTree) {
		return "", &fs.PathError{Op: "hash", Path: name, Err: err}
	}
	if err != nil {
		return "", &fs.PathError{Op: "hash", Path: name, Err: fs.ErrNotExist}
	}
	return e.Hash.String(), nil
}

// Stat implements fs.StatFS: what a file holds is not read for its size, unless it is so
// small that it may be a pointer to what lies elsewhere.
func (t *treeFS) Stat(name string) (fs.FileInfo, error) {
	if i := t.large(name); i != nil {
		return i, nil
	}
	f, err := t.Open(name)
	if err != nil {
		return nil, err
	}
	return f.Stat()
}

// large is a file that is no pointer and may be read; nil of all else.
func (t *treeFS) large(name string) fs.FileInfo {
	defer t.unlock()
	if err := t.lock(); err != nil || name == "." || !fs.ValidPath(name) {
		return nil
	}
	e, err := t.tree.FindEntry(name)
	if err != nil || !e.Mode.IsFile() || e.Mode == filemode.Symlink {
		return nil
	}
	size, err := t.at.EncodedObjectSize(e.Hash)
	if err != nil || size <= maxPointer || size > maxFile {
		return nil
	}
	return info{name: path.Base(name), size: size, mode: 0o644}
}

// Open implements fs.FS.
func (t *treeFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	defer t.unlock()
	if err := t.lock(); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if name == "." {
		return t.dir(".", t.tree)
	}
	e, err := t.tree.FindEntry(name)
	if errors.Is(err, errTree) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: t.missingError(name)}
	}
	switch e.Mode {
	case filemode.Dir:
		tree, err := t.tree.Tree(name)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return t.dir(path.Base(name), tree)
	case filemode.Symlink:
		return nil, &fs.PathError{Op: "open", Path: name, Err: errSymlink}
	case filemode.Submodule:
		return nil, &fs.PathError{Op: "open", Path: name, Err: errSubmodule}
	}
	return t.file(name)
}

// missingError says why a path is not there: it may lie in a submodule, or behind a link.
func (t *treeFS) missingError(name string) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		e, err := t.tree.FindEntry(dir)
		switch {
		case err == nil && e.Mode == filemode.Submodule:
			return fmt.Errorf("%s: %w", dir, errSubmodule)
		case err == nil && e.Mode == filemode.Symlink:
			return fmt.Errorf("%s: %w", dir, errSymlink)
		}
	}
	return fs.ErrNotExist
}

// maxFile bounds what is read at once: nothing that is of use is larger.
const maxFile = largeObject

func (t *treeFS) file(name string) (fs.File, error) {
	f, err := t.tree.File(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if f.Size > maxFile { // which stands before its content
		return nil, &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("it has %d MiB: files of more than %d MiB are not read", f.Size>>20, maxFile>>20)}
	}
	r, err := f.Reader()
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	if plumbing.ComputeHash(plumbing.BlobObject, raw) != f.Hash {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errMisread}
	}
	if isPointer(raw) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errPointer}
	}
	return &treeFile{info: info{name: path.Base(name), size: int64(len(raw)), mode: 0o644}, Reader: bytes.NewReader(raw)}, nil
}

func (t *treeFS) dir(name string, tree *object.Tree) (fs.File, error) {
	d := &treeDir{info: info{name: name, mode: fs.ModeDir | 0o755}}
	for _, e := range tree.Entries {
		i := info{name: e.Name, mode: 0o644}
		switch e.Mode {
		case filemode.Dir:
			i.mode = fs.ModeDir | 0o755
		case filemode.Symlink:
			i.mode = fs.ModeSymlink
		case filemode.Submodule:
			i.mode = fs.ModeIrregular
		}
		d.entries = append(d.entries, &treeEntry{info: i, hash: e.Hash, in: t})
	}
	return d, nil
}

// treeEntry is a file or folder as its folder lists it. The size of a file does not stand
// there: it is looked up when somebody asks.
type treeEntry struct {
	info info
	hash plumbing.Hash
	in   *treeFS
}

func (e *treeEntry) Name() string      { return e.info.name }
func (e *treeEntry) IsDir() bool       { return e.info.IsDir() }
func (e *treeEntry) Type() fs.FileMode { return e.info.mode.Type() }
func (e *treeEntry) String() string    { return fs.FormatDirEntry(e) }

// Info implements fs.DirEntry.
func (e *treeEntry) Info() (fs.FileInfo, error) {
	if !e.info.mode.IsRegular() {
		return e.info, nil
	}
	defer e.in.unlock()
	if err := e.in.lock(); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: e.info.name, Err: err}
	}
	size, err := e.in.at.EncodedObjectSize(e.hash)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: e.info.name, Err: err}
	}
	i := e.info
	i.size = size
	return i, nil
}

type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

type treeFile struct {
	info
	*bytes.Reader
}

func (f *treeFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *treeFile) Close() error               { return nil }
func (f *treeFile) Size() int64                { return f.info.size }

type treeDir struct {
	info
	entries []fs.DirEntry
	read    int
}

func (d *treeDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *treeDir) Close() error               { return nil }
func (d *treeDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.name, Err: fmt.Errorf("it is a directory")}
}

// ReadDir implements fs.ReadDirFile.
func (d *treeDir) ReadDir(n int) ([]fs.DirEntry, error) {
	left := d.entries[d.read:]
	if n <= 0 {
		d.read = len(d.entries)
		return left, nil
	}
	if len(left) == 0 {
		return nil, io.EOF
	}
	left = left[:min(n, len(left))]
	d.read += len(left)
	return left, nil
}
