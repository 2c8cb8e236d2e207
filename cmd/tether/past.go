package main

import (
	"fmt"

	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/source/git"
)

// past is the repository's history, as render/blame asks for it.
type past struct{ *git.Past }

// openPast opens the history of --repo.
func (s *shared) openPast() (past, error) {
	p, err := git.OpenPast(rootOf(s.repo))
	if err != nil {
		return past{}, usageError{fmt.Errorf("--repo %s: %w", s.repo, err)}
	}
	return past{p}, nil
}

// Commit implements blame.History; it takes anything that git resolves.
func (p past) Commit(rev string) (*blame.Commit, error) {
	return why.History{History: p.Past}.Commit(rev)
}
