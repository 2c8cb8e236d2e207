package fetch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cache keeps what was fetched on disk, each under the name of its own digest, so
// that what is read is known to be what was asked for; and beside it for which
// environments a host let have it. Several processes may share one. Without a folder it
// keeps nothing.
type cache struct {
	dir string
	max int64
}

// digestOf returns sha256:….
func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (c *cache) path(digest string) string {
	return filepath.Join(c.dir, "sha256", strings.TrimPrefix(digest, "sha256:"))
}

// mark is the file that says that an environment was let have what has a digest.
func (c *cache) mark(environment, digest string) string {
	sum := sha256.Sum256([]byte(environment))
	return filepath.Join(c.dir, "of", hex.EncodeToString(sum[:16]), strings.TrimPrefix(digest, "sha256:"))
}

// let reports whether an environment was let have what has a digest.
func (c *cache) let(environment, digest string) bool {
	if c.dir == "" || !digests.MatchString(digest) {
		return false
	}
	_, err := os.Stat(c.mark(environment, digest))
	return err == nil
}

// allow notes that an environment was let have what has a digest.
func (c *cache) allow(environment, digest string) error {
	if c.dir == "" {
		return nil
	}
	if err := c.write(c.mark(environment, digest), nil); err != nil {
		return &AwayError{why: fmt.Sprintf("keep it in %s: %v", c.dir, cause(err))}
	}
	return nil
}

// drop removes what was fetched, and for whom.
func (c *cache) drop(path string) {
	os.Remove(path)
	environments, err := os.ReadDir(filepath.Join(c.dir, "of"))
	if err != nil {
		return // there are no marks
	}
	for _, e := range environments {
		os.Remove(filepath.Join(c.dir, "of", e.Name(), filepath.Base(path)))
	}
}

// get returns what has a digest, or nil. What is not what its name says is
// removed, to be fetched anew.
func (c *cache) get(digest string) []byte {
	if c.dir == "" || !digests.MatchString(digest) {
		return nil
	}
	raw, err := os.ReadFile(c.path(digest))
	if err != nil {
		return nil
	}
	if digestOf(raw) != digest {
		os.Remove(c.path(digest))
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(c.path(digest), now, now) // else it counts as unused, and may be fetched again
	return raw
}

// put keeps raw, and drops what was not used for the longest time if that is too
// much. A disk that is full, or can't be written to, is no fault of the chart.
func (c *cache) put(raw []byte) error {
	if c.dir == "" {
		return nil
	}
	to := c.path(digestOf(raw))
	if err := c.write(to, raw); err != nil {
		return &AwayError{why: fmt.Sprintf("keep it in %s: %v", c.dir, cause(err))}
	}
	c.prune(to)
	return nil
}

// cause leaves out the names of files, which are others each time.
func cause(err error) error {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return err
}

func (c *cache) write(to string, raw []byte) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(to), partPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // it is gone once it is renamed
	if _, err := f.Write(raw); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), to)
}

const (
	partPrefix = "part-"
	partAge    = time.Hour // what a process that was killed was writing is older
)

// prune keeps the cache within its bound. Files may be gone already: others prune
// too. What was just written stays in any case.
func (c *cache) prune(written string) {
	entries, err := os.ReadDir(filepath.Dir(written))
	if err != nil {
		return
	}
	type file struct {
		path string
		size int64
		used time.Time
	}
	var files []file
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		at := filepath.Join(filepath.Dir(written), e.Name())
		if strings.HasPrefix(e.Name(), partPrefix) {
			if time.Since(info.ModTime()) > partAge {
				os.Remove(at)
			}
			continue
		}
		total += info.Size()
		files = append(files, file{at, info.Size(), info.ModTime()})
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Or(a.used.Compare(b.used), cmp.Compare(a.path, b.path)) })
	for _, f := range files {
		if total <= c.max {
			return
		}
		if f.path != written {
			c.drop(f.path)
			total -= f.size
		}
	}
}
