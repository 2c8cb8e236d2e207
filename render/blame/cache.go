package blame

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Cache keeps on disk what releases rendered to, as hashes, and answers as they were
// printed, without secrets. It is bounded: what was not used for the longest time goes
// first. What can't be read or written is as if it were not there. It is safe for
// concurrent use, by several processes too. A nil Cache keeps nothing.
type Cache struct {
	dir, salt string
	most      int64 // bytes
}

// OpenCache keeps at the most so many bytes in a folder, which is made when it is needed.
// The salt is what answers depend on beside a release's inputs: the program's version,
// the version of Kubernetes that charts see, whether there are keys for secrets.
func OpenCache(dir, salt string, most int64) *Cache { return &Cache{dir, salt, most} }

// For returns a cache of the same bounds and in the same folder, whose answers depend on one
// thing more.
func (c *Cache) For(salt string) *Cache {
	if c == nil {
		return nil
	}
	return &Cache{c.dir, c.salt + "\n" + salt, c.most}
}

func (c *Cache) file(kind, key string) string {
	sum := sha256.Sum256([]byte("1\n" + kind + "\n" + c.salt + "\n" + key))
	return filepath.Join(c.dir, hex.EncodeToString(sum[:20])+"."+kind)
}

// read returns whether something was kept under a key, and reads it.
func (c *Cache) read(kind, key string, into any) bool {
	if c == nil {
		return false
	}
	name := c.file(kind, key)
	raw, err := os.ReadFile(name)
	if err != nil || gob.NewDecoder(bytes.NewReader(raw)).Decode(into) != nil {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(name, now, now) // it only tells what was used last
	return true
}

// write keeps something under a key.
func (c *Cache) write(kind, key string, v any) {
	if c == nil {
		return
	}
	var raw bytes.Buffer
	if gob.NewEncoder(&raw).Encode(v) != nil || int64(raw.Len()) > c.most/4 {
		return
	}
	if os.MkdirAll(c.dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(c.dir, "tmp-")
	if err != nil {
		return
	}
	_, err = f.Write(raw.Bytes())
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.file(kind, key))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the next Trim takes it else
	}
}

// Trim removes what was not used for the longest time, until the rest is within the
// bound.
func (c *Cache) Trim() {
	if c == nil {
		return
	}
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return
	}
	type kept struct {
		name string
		size int64
		used time.Time
	}
	var all []kept
	total := int64(0)
	for _, e := range entries {
		if i, err := e.Info(); err == nil && i.Mode().IsRegular() {
			all = append(all, kept{e.Name(), i.Size(), i.ModTime()})
			total += i.Size()
		}
	}
	slices.SortFunc(all, func(a, b kept) int { return a.used.Compare(b.used) })
	for _, k := range all {
		if total <= c.most {
			return
		}
		if os.Remove(filepath.Join(c.dir, k.name)) == nil {
			total -= k.size
		}
	}
}
