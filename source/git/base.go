package git

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Base returns where a revision of the repository that dir lies in left the main branch:
// the full SHA-1 of their newest common commit. The main branch is the first of mains
// that is there; which one it was is returned too.
func Base(dir, rev string, mains ...string) (sha, main string, err error) {
	repo, err := openLocal(dir)
	if err != nil {
		return "", "", err
	}
	h, err := readHistory(repo)
	if err != nil {
		return "", "", fmt.Errorf("read the history of %s: %w", dir, err)
	}
	sha, main, err = h.base(repo, rev, mains)
	if err != nil && len(h.ends) > 0 {
		err = fmt.Errorf("%w; %s", err, deepen)
	}
	return sha, main, err
}

func (h history) base(repo *git.Repository, rev string, mains []string) (sha, main string, err error) {
	one, err := h.named(repo, rev)
	if err != nil {
		return "", "", err
	}
	for _, main := range mains {
		other, err := h.named(repo, main)
		if errors.Is(err, errNoRevision) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		fork, err := h.fork(one, other)
		if err != nil {
			return "", "", fmt.Errorf("find where %s left %s: %w", rev, main, err)
		}
		if fork == nil {
			return "", "", fmt.Errorf("%s and %s have no commit in common here", rev, main)
		}
		return fork.Hash.String(), main, nil
	}
	return "", "", fmt.Errorf("the main branch is not here: there is no %s: fetch it", strings.Join(mains, ", no "))
}

var errNoRevision = errors.New("it is not here")

// named returns the commit that a name stands for.
func (h history) named(repo *git.Repository, rev string) (*object.Commit, error) {
	hash, err := repo.ResolveRevision(plumbing.Revision(rev))
	if err != nil {
		return nil, fmt.Errorf("find revision %s: %w: %w", rev, errNoRevision, err)
	}
	return readCommit(h.store, *hash)
}

// mark says from which of two commits one was reached.
type mark uint8

const (
	ofOne mark = 1 << iota
	ofOther
	common // it lies behind one that both have
)

// fork returns the newest commit that two have in common, as git merge-base does; nil if
// none is here. It goes back from both, newest first, until all that is left lies behind
// what they have in common.
func (h history) fork(one, other *object.Commit) (*object.Commit, error) {
	marks := map[plumbing.Hash]mark{one.Hash: ofOne}
	marks[other.Hash] |= ofOther
	queue := inTime(inTime(nil, one), other)
	var found []*object.Commit
	for slices.ContainsFunc(queue, func(c *object.Commit) bool { return marks[c.Hash]&common == 0 }) {
		c := queue[0]
		queue = queue[1:]
		m := marks[c.Hash]
		if m == ofOne|ofOther {
			found = append(found, c)
			m |= common
		}
		if slices.Contains(h.ends, c.Hash) {
			continue
		}
		for _, hash := range c.ParentHashes {
			if marks[hash]&m == m {
				continue
			}
			p, err := readCommit(h.store, hash)
			if err != nil {
				return nil, fmt.Errorf("read commit %s: %w", hash, err)
			}
			marks[hash] |= m
			queue = inTime(queue, p)
		}
	}
	for _, c := range found { // newest first
		if marks[c.Hash]&common == 0 {
			return c, nil
		}
	}
	return nil, nil
}

// inTime puts a commit among others, newest first.
func inTime(queue []*object.Commit, c *object.Commit) []*object.Commit {
	at, _ := slices.BinarySearchFunc(queue, c, func(a, b *object.Commit) int { return b.Committer.When.Compare(a.Committer.When) })
	return slices.Insert(queue, at, c)
}
