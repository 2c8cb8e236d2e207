package render_test

import (
	"errors"
	"io/fs"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render/config"
)

// unreadable are files of which none can be read.
type unreadable struct{}

func (unreadable) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("it is a symbolic link")}
}

// An environment whose folder can't be read is not one that is gone: that would
// uninstall what is in it.
func TestAnEnvironmentThatCantBeReadIsThere(t *testing.T) {
	if !config.Exists(unreadable{}, "prod") {
		t.Error("it is taken for gone")
	}
	if config.Exists(fstest.MapFS{}, "prod") {
		t.Error("one that is gone is not")
	}
	linked := fstest.MapFS{
		"environments/prod":       {Mode: fs.ModeSymlink, Data: []byte("../prod")},
		"environments/.sops.yaml": {Mode: fs.ModeSymlink, Data: []byte("../.sops.yaml")},
		"environments/README":     {},
		"environments/dev/x":      {},
	}
	if names, err := config.Environments(linked); err != nil || !slices.Equal(names, []string{"dev", "prod"}) {
		t.Errorf("%v, %v", names, err)
	}
}
