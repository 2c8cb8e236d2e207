package git

import (
	"slices"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
)

// history is what is here of a repository's history.
type history struct {
	store storer.EncodedObjectStorer
	ends  []plumbing.Hash
}

func readHistory(repo *git.Repository) (history, error) {
	ends, err := repo.Storer.Shallow()
	return history{repo.Storer, ends}, err
}

// parent returns a commit's first parent; nil if it has none, or none that is here.
func (h history) parent(c *object.Commit) (*object.Commit, error) {
	if c.NumParents() == 0 || slices.Contains(h.ends, c.Hash) {
		return nil, nil
	}
	return readCommit(h.store, c.ParentHashes[0])
}

// endsOf returns at which of some commits the history that is here ends: the server
// names those of what it was asked for, behind which more may be here already.
func endsOf(repo *git.Repository, commits []plumbing.Hash) []plumbing.Hash {
	return slices.DeleteFunc(commits, func(h plumbing.Hash) bool {
		c, err := readCommit(repo.Storer, h)
		return err == nil && !slices.ContainsFunc(c.ParentHashes, func(p plumbing.Hash) bool {
			return repo.Storer.HasEncodedObject(p) != nil
		})
	})
}
