package git

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// clone is the bare clone on disk. Who reads it holds its lock, and who changes it alone.
type clone struct {
	dir string

	mu    sync.RWMutex
	git   *git.Repository           // nil before it is opened
	whole map[refspec]plumbing.Hash // the commits that were last found to be there with all their trees
	trees int                       // how many trees were read to find that
}

var errDamaged = errors.New("the clone is damaged")

// pointer is where a ref points, by the full name that it stands for.
type pointer struct {
	name string
	hash plumbing.Hash // of a commit, or of a tag object
}

// open opens the clone, or makes an empty one.
func (c *clone) open() error {
	if c.git != nil {
		return nil
	}
	if err := dropLeftovers(c.dir); err != nil {
		return err
	}
	repo, err := openBare(c.dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	c.git = repo
	return nil
}

// discard drops the clone.
func (c *clone) discard() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.git = nil
	clear(c.whole)
	return os.RemoveAll(c.dir)
}

// wants returns what of it is not in the clone.
func (c *clone) wants(at map[refspec]pointer) []plumbing.Hash {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var out []plumbing.Hash
	for _, p := range at {
		if c.git.Storer.HasEncodedObject(p.hash) != nil && !slices.Contains(out, p.hash) {
			out = append(out, p.hash)
		}
	}
	return out
}

// put takes a pack in. First where its history may end: a pack without that would look
// damaged.
func (c *clone) put(stored func() error, ends, more []plumbing.Hash) error {
	all := slices.Concat(ends, more)
	if len(more) > 0 {
		if err := c.git.Storer.SetShallow(all); err != nil {
			return fmt.Errorf("store where the history ends: %w", err)
		}
	}
	if err := stored(); err != nil {
		return fmt.Errorf("store the commits: %w", err)
	}
	if err := c.reread(); err != nil {
		return fmt.Errorf("store the commits: %w", err)
	}
	if len(all) > 0 {
		if err := c.git.Storer.SetShallow(endsOf(c.git, all)); err != nil {
			return fmt.Errorf("store where the history ends: %w", err)
		}
	}
	return nil
}

// reread has the clone see a pack that it did not put there itself.
func (c *clone) reread() error {
	if s, ok := c.git.Storer.(*filesystem.Storage); ok {
		s.Reindex()
	}
	// Its indexes are read now, under the lock: later, readers would do it at once.
	if err := c.git.Storer.HasEncodedObject(plumbing.ZeroHash); !errors.Is(err, plumbing.ErrObjectNotFound) {
		return err
	}
	return nil
}

// point writes a ref, if it is not what is written already.
func (c *clone) point(to *plumbing.Reference) error {
	if now, err := c.git.Storer.Reference(to.Name()); err == nil && now.Hash() == to.Hash() {
		return nil
	}
	return c.git.Storer.SetReference(to)
}

// dropTags forgets tags that are followed no more: one that was taken back must
// not come up again.
func (c *clone) dropTags(at map[refspec]pointer) error {
	used := map[plumbing.ReferenceName]bool{}
	for _, p := range at {
		used[plumbing.ReferenceName(p.name)] = true
	}
	tags, err := c.git.Tags()
	if err != nil {
		return err
	}
	var stale []plumbing.ReferenceName
	err = tags.ForEach(func(t *plumbing.Reference) error {
		if !used[t.Name()] {
			stale = append(stale, t.Name())
		}
		return nil
	})
	for _, name := range stale {
		err = errors.Join(err, c.git.Storer.RemoveReference(name))
	}
	return err
}

// openBare opens a clone, or makes an empty one.
func openBare(dir string) (*git.Repository, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	store := filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRU(16*cache.MiByte),
		filesystem.Options{LargeObjectThreshold: largeObject})
	repo, err := git.Open(store, nil)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return git.Init(store, nil)
	}
	return repo, err
}
