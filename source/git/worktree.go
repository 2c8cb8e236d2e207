package git

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// These errors refuse files that git or a folder can hold, and that Tether does not read.
var (
	errSymlink   = errors.New("it is a symbolic link, which is not followed: put a copy in its place")
	errSubmodule = errors.New("it is a submodule, which is not followed: vendor its files")
	errSpecial   = errors.New("it is neither a file nor a folder: take it away")
	errPointer   = errors.New("it is a Git LFS pointer, and LFS is not supported: commit the file itself")
	errMisread   = errors.New("what was read is not what the commit has: split the file into smaller ones")
)

// pointerStart is how a file that Git LFS keeps elsewhere begins, by its
// specification.
const pointerStart = "version https://git-lfs.github.com/spec/"

// maxPointer is how large a pointer may be, by the same.
const maxPointer = 1024

// WorkingTree returns a folder's files as they stand. What would be refused in a
// commit is refused here too: symbolic links, submodules and pointers of Git LFS; so is
// what no commit can hold, such as a pipe.
func WorkingTree(dir string) (fs.FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return workFS{root}, nil
}

type workFS struct{ root *os.Root }

// Open implements fs.FS.
func (w workFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	if err := w.plain(name); err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f, err := w.root.FS().Open(name)
	if err != nil {
		return nil, err
	}
	if startsAsPointer(f) {
		f.Close()
		return nil, &fs.PathError{Op: "open", Path: name, Err: errPointer}
	}
	return f, nil
}

// plain finds out whether a path leads through nothing but folders.
func (w workFS) plain(name string) error {
	parts := strings.Split(name, "/")
	for i := range parts {
		at := path.Join(parts[:i+1]...)
		info, err := w.root.Lstat(at)
		if err != nil || at == "." {
			return nil // opening it says what is wrong
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			return within(at, name, errSymlink)
		case !info.IsDir() && !info.Mode().IsRegular():
			return within(at, name, errSpecial)
		}
		// A repository within this one is no part of a commit but by its name.
		if _, err := w.root.Lstat(path.Join(at, ".git")); info.IsDir() && err == nil {
			return within(at, name, errSubmodule)
		}
	}
	return nil
}

// within says of what lies on the way to a path that it is the trouble.
func within(at, name string, err error) error {
	if at == name {
		return err
	}
	return fmt.Errorf("%s: %w", at, err)
}

func startsAsPointer(f fs.File) bool {
	at, ok := f.(io.ReaderAt)
	start := make([]byte, len(pointerStart))
	if !ok {
		return false
	}
	n, _ := at.ReadAt(start, 0) // a folder, and what can't be read, begins with nothing
	return isPointer(start[:n])
}

func isPointer(raw []byte) bool { return bytes.HasPrefix(raw, []byte(pointerStart)) }
