package git

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5"

	"github.com/xetys/tether/source"
)

// deepen is how a clone gets what it was made without.
const deepen = "this clone is shallow, and its history may end before that: run git fetch --unshallow, or have the job clone all of it " +
	"(fetch-depth: 0 for actions/checkout, GIT_DEPTH: 0 for GitLab)"

// OpenLocal returns a revision of the repository that dir lies in.
func OpenLocal(dir, rev string) (*source.Revision, error) {
	repo, err := openLocal(dir)
	if err != nil {
		return nil, err
	}
	out, err := revision(func() *git.Repository { return repo }, &sync.RWMutex{}, rev)
	if err != nil {
		if ends, serr := repo.Storer.Shallow(); serr == nil && len(ends) > 0 {
			err = fmt.Errorf("%w; %s", err, deepen)
		}
	}
	return out, err
}

// openLocal opens the repository that a folder lies in; it may be a further working tree
// of one.
func openLocal(dir string) (*git.Repository, error) {
	repo, err := git.PlainOpenWithOptions(dir, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		repo, err = git.PlainOpen(dir) // a bare one
	}
	if errors.Is(err, git.ErrUnknownExtension) && strings.Contains(err.Error(), "objectformat") {
		err = errSHA256
	}
	if err != nil {
		return nil, fmt.Errorf("open the git repository at %s: %w", dir, err)
	}
	return repo, nil
}
