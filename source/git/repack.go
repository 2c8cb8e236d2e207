package git

import (
	"errors"
	"fmt"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// tidy puts the packs of many fetches into one. Large packs are left alone, so
// that it costs what came since, and not the whole history. Nothing is thrown
// away: the last good commit may be one that the branch was reset from.
func (c *clone) tidy() error {
	packs, err := packsIn(c.dir)
	if err != nil || len(packs) <= maxPacks {
		return err
	}
	small := toMerge(packs)
	if len(small) < 2 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	merged, err := c.merge(small)
	if err != nil {
		return err
	}
	for _, p := range small {
		if p.hash() == merged {
			continue
		}
		for _, ext := range []string{".idx", ".rev", ".pack"} {
			if err := os.Remove(p.path + ext); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	}
	c.git, err = openBare(c.dir) // the old one knows the old packs
	return err
}

// merge writes the objects of some packs into one, and returns its hash.
func (c *clone) merge(packs []pack) (plumbing.Hash, error) {
	var hashes []plumbing.Hash
	seen := map[plumbing.Hash]bool{}
	for _, p := range packs {
		err := eachObject(p.path+".idx", func(h plumbing.Hash) {
			if !seen[h] {
				seen[h] = true
				hashes = append(hashes, h)
			}
		})
		if err != nil {
			return plumbing.ZeroHash, fmt.Errorf("read %s.idx: %w", p.path, err)
		}
	}
	writer, ok := c.git.Storer.(storer.PackfileWriter)
	if !ok {
		return plumbing.ZeroHash, errors.New("the clone takes no packs")
	}
	w, err := writer.PackfileWriter()
	if err != nil {
		return plumbing.ZeroHash, err
	}
	merged, err := packfile.NewEncoder(w, c.git.Storer, false).Encode(hashes, window)
	return merged, errors.Join(err, w.Close())
}
