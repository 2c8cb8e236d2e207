package git

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
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
func (c *clone) request(host string, refs *packp.AdvRefs, wants []plumbing.Hash) (*packp.UploadPackRequest, error) {
	req := packp.NewUploadPackRequestFromCapabilities(refs.Capabilities)
	azure := onAzure(host)
	if !azure {
		req.Capabilities.Delete(capability.MultiACK)
		req.Capabilities.Delete(capability.MultiACKDetailed)
	}
	req.Wants = wants
	var err error
	if req.Haves, req.Shallows, err = c.haves(); err != nil {
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
func (c *clone) haves() (haves, ends []plumbing.Hash, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	h, err := readHistory(c.git)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	refs, err := c.git.References()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	err = refs.ForEach(func(ref *plumbing.Reference) error {
		if ref.Type() != plumbing.HashReference {
			return nil
		}
		commit, _, err := c.resolve(ref.Hash())
		for n := 0; err == nil && commit != nil && n < maxHaves; n++ {
			haves = append(haves, commit.Hash)
			commit, err = h.parent(commit)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		return nil
	})
	return haves, h.ends, err
}
