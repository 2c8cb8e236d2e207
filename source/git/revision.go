package git

import (
	"fmt"
	"sync"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/storer"

	"github.com/xetys/tether/source"
)

// revision reads a commit of the repository that open returns, now and later.
func revision(open func() *git.Repository, mu *sync.RWMutex, rev string) (*source.Revision, error) {
	repo, hash := open(), plumbing.NewHash(rev)
	if !plumbing.IsHash(rev) {
		found, err := repo.ResolveRevision(plumbing.Revision(rev))
		if err != nil {
			return nil, fmt.Errorf("find revision %s: %w", rev, err)
		}
		hash = *found
	}
	c, err := readCommit(repo.Storer, hash)
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", hash, err)
	}
	files := &treeFS{mu: mu, root: c.TreeHash, store: func() storer.EncodedObjectStorer { return open().Storer }}
	return &source.Revision{Commit: commitOf(c), Files: files}, nil
}
