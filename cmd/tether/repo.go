package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/xetys/tether/source/git"
)

// files opens the config repository for reading: a commit of it, or its working
// tree as it stands.
func (s *shared) files(revision string) (fs.FS, error) {
	repo := rootOf(s.repo)
	if revision == "" {
		files, err := git.WorkingTree(repo)
		if err != nil {
			return nil, usageError{fmt.Errorf("--repo: %w", err)}
		}
		return files, nil
	}
	rev, err := git.OpenLocal(repo, revision)
	if err != nil {
		return nil, usageError{fmt.Errorf("--repo %s --revision %s: %w", s.repo, revision, err)}
	}
	return rev.Files, nil
}

// rootOf returns the checkout that a folder lies in, so that commands work from a
// subfolder as from the root; the folder itself if it is a repository of its own, or lies
// in none.
func rootOf(path string) string {
	at, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	for dir := at; ; dir = filepath.Dir(dir) {
		for _, mark := range []string{".git", "environments", "objects"} {
			if _, err := os.Stat(filepath.Join(dir, mark)); err == nil && (mark == ".git" || dir == at) {
				return dir
			}
		}
		if dir == filepath.Dir(dir) {
			return path
		}
	}
}

type renderFlags struct {
	*shared
	revision    string
	when        string // --at
	release     string
	kubeVersion string
	apiVersions []string
	isUpgrade   bool
	sops        sopsFlags
	charts      chartFlags
}
