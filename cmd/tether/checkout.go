package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// checkout is a working tree that files are written to. Who wrote the commits may have
// brought symbolic links anywhere: no write follows one, in the tree or out of it.
type checkout struct{ root *os.Root }

func openCheckout(dir string) (*checkout, error) {
	root, err := os.OpenRoot(dir)
	return &checkout{root}, err
}

func (c *checkout) close() { _ = c.root.Close() } // nothing was written through it

// create writes a file that is not there, and the folders that lead to it.
func (c *checkout) create(name string, content []byte) error {
	if err := c.plain(name); err != nil {
		return err
	}
	if err := c.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	err := c.write(name, content, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return errors.New("it is there already")
	}
	return err
}

// replace gives a file another content, and keeps its mode.
func (c *checkout) replace(name string, content []byte) error {
	if err := c.plain(name); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	info, err := c.root.Lstat(name)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("write %s: it is no file", name)
	}
	next := name + "." + rand.Text() // nobody's file has that name
	if err := c.write(next, content, info.Mode().Perm()); err != nil {
		return err
	}
	if err := c.root.Rename(next, name); err != nil {
		return errors.Join(err, c.root.Remove(next))
	}
	return nil
}

// write writes a new file whole, or leaves none.
func (c *checkout) write(name string, content []byte, mode fs.FileMode) error {
	file, err := c.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(mode), file.Close()); err != nil {
		return errors.Join(err, c.root.Remove(name))
	}
	return nil
}

// plain refuses a name that leads out of the tree, or through a symbolic link.
func (c *checkout) plain(name string) error {
	if !fs.ValidPath(name) || name == "." {
		return errors.New("it is no path of the checkout")
	}
	parts := strings.Split(path.Dir(name), "/")
	for i := range parts {
		at := path.Join(parts[:i+1]...)
		info, err := c.root.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return fmt.Errorf("%s is no folder; where a symbolic link leads, nothing is written", at)
		}
	}
	return nil
}
