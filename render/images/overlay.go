package images

import (
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// overlay is a repository with another content of one file.
type overlay struct {
	fs.FS
	name    string
	content []byte
}

// Open opens the file with its other content, and all else as it is.
func (o overlay) Open(name string) (fs.File, error) {
	if name != o.name {
		return o.FS.Open(name)
	}
	return &file{Reader: strings.NewReader(string(o.content)), info: info{path.Base(name), int64(len(o.content))}}, nil
}

type file struct {
	io.Reader
	info info
}

func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *file) Close() error               { return nil }

type info struct {
	name string
	size int64
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o444 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
