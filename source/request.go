package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
)

const (
	// maxDepth is how many commits of a history come at once, in a clone that does not
	// have all of it: what is asked about older ones is in the ledger and in Helm's
	// records. Each object of a pack takes some 300 bytes of memory while it is stored.
	maxDepth = 1000
	// maxHaves is how many commits of each ref's history the server is told of: it
	// finds the newest that it knows, if the branch was reset.
	maxHaves = 64
)

// go-git hides multi_ack since it does not negotiate. It does read the answers to
// the one round that is sent here, and Azure DevOps answers nobody else.
func init() { transport.UnsupportedCapabilities = []capability.Capability{capability.ThinPack} }

// request says what is wanted, and what is here already.
func (r *Repository) request(refs *packp.AdvRefs, wants []plumbing.Hash) (*packp.UploadPackRequest, error) {
	req := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	azure := onAzure(r.remote.at.Host)
	if !azure {
		req.Capabilities.Delete(capability.MultiACK)
		req.Capabilities.Delete(capability.MultiACKDetailed)
	}
	req.Wants = wants
	var err error
	if req.Haves, req.Shallows, err = r.haves(); err != nil {
		return nil, err
	}
	stops := !azure && refs.Capabilities.Supports(capability.Shallow)
	switch {
	case !stops && len(req.Shallows) > 0:
		return nil, fmt.Errorf("%w: its history has an end, which the server does not know of", errDamaged)
	case stops && (len(req.Haves) == 0 || len(req.Shallows) > 0):
		req.Depth = packp.DepthCommits(maxDepth)
	}
	for name, wanted := range map[capability.Capability]bool{
		capability.NoProgress: refs.Capabilities.Supports(capability.NoProgress),
		capability.Shallow:    !req.Depth.IsZero(),
	} {
		if wanted {
			err = errors.Join(err, req.Capabilities.Set(name))
		}
	}
	return req, err
}

func onAzure(host string) bool {
	return slices.ContainsFunc([]string{"dev.azure.com", "visualstudio.com"}, func(of string) bool {
		return host == of || strings.HasSuffix(host, "."+of)
	})
}

// haves returns the newest commits that are here, and those at which the history
// that is here ends.
func (r *Repository) haves() (haves, ends []plumbing.Hash, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	h, err := readHistory(r.git)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	refs, err := r.git.References()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() != plumbing.HashReference {
			return nil
		}
		c, _, err := r.resolve(ref.Hash())
		for n := 0; err == nil && c != nil && n < maxHaves; n++ {
			haves = append(haves, c.Hash)
			c, err = h.parent(c)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		return nil
	})
	return haves, h.ends, err
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
