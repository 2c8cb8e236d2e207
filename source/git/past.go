package git

import (
	"fmt"
	"sync"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/xetys/tether/source"
)

// Past is the history of a repository on disk, commit by commit. It is safe for
// concurrent use.
type Past struct {
	repo *git.Repository
	h    history
	mu   sync.RWMutex
}

// OpenPast opens the history of the repository that a folder lies in.
func OpenPast(dir string) (*Past, error) {
	repo, err := openLocal(dir)
	if err != nil {
		return nil, err
	}
	h, err := readHistory(repo)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", dir, err)
	}
	return &Past{repo: repo, h: h}, nil
}

// History implements source.Historian. It reads the clone by itself: it holds no fetch up, and
// does not see what is fetched later. Where the clone is packed anew meanwhile, a commit may not
// be found: ask for a new one then.
func (r *Repository) History() (source.History, error) {
	r.clone.mu.RLock()
	defer r.clone.mu.RUnlock()
	if r.clone.git == nil {
		return nil, errNotFetched
	}
	repo, err := openBare(r.clone.dir)
	if err != nil {
		return nil, fmt.Errorf("open the clone: %w", err)
	}
	h, err := readHistory(repo)
	if err != nil {
		return nil, fmt.Errorf("read the clone's history: %w", err)
	}
	return &Past{repo: repo, h: h}, nil
}

// Commit returns a commit by anything that git resolves.
func (p *Past) Commit(rev string) (*source.Ancestor, error) {
	hash := plumbing.NewHash(rev)
	if !plumbing.IsHash(rev) {
		found, err := p.repo.ResolveRevision(plumbing.Revision(rev))
		if err != nil {
			return nil, p.shallow(fmt.Errorf("find revision %s: %w", rev, err))
		}
		hash = *found
	}
	c, err := readCommit(p.h.store, hash)
	if err != nil {
		return nil, p.shallow(fmt.Errorf("read commit %s: %w", hash, err))
	}
	files := &treeFS{mu: &p.mu, root: c.TreeHash, store: func() storer.EncodedObjectStorer { return p.repo.Storer }}
	out := &source.Ancestor{Revision: source.Revision{Commit: commitOf(c), Files: files}}
	out.Parents, out.Cut = p.parents(c)
	return out, nil
}

func (p *Past) parents(c *object.Commit) (out []string, cut bool) {
	for _, end := range p.h.ends {
		if end == c.Hash {
			return nil, len(c.ParentHashes) > 0
		}
	}
	for _, h := range c.ParentHashes {
		out = append(out, h.String())
	}
	return out, false
}

func (p *Past) shallow(err error) error {
	if len(p.h.ends) > 0 {
		return fmt.Errorf("%w; %s", err, deepen)
	}
	return err
}

// Shallow says how a clone gets the history that it was made without; empty if it has
// all of it.
func (p *Past) Shallow() string {
	if len(p.h.ends) == 0 {
		return ""
	}
	return deepen
}
