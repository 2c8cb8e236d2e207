// Package git is the source that follows branches and tags of one git repository: it
// keeps a bare clone on disk and gives out commits as file trees.
//
// It does not know Helm, environments or Kubernetes, and logs nothing.
package git

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"

	"github.com/xetys/tether/source"
)

// Repository follows refs of one repository: it is a source.Source. Reads don't wait for
// the network.
type Repository struct {
	opts     Options
	refs     []refspec
	at       address
	clone    clone
	fetching sync.Mutex
	remote   *remote                            // how to reach it, with the credentials of now; guarded by fetching
	silent   func(host string, since time.Time) // told of a server that sends nothing

	signers *signers // nil if heads need no signature; guarded by the clone's lock
}

// New checks options and credentials; it reads no repository and writes nothing.
func New(o Options) (*Repository, error) {
	o.Timeout = cmp.Or(o.Timeout, 5*time.Minute)
	o.Silence = cmp.Or(o.Silence, 30*time.Second)
	r := &Repository{opts: o, silent: func(string, time.Time) {}, clone: clone{dir: o.Dir, whole: map[refspec]plumbing.Hash{}}}
	for _, ref := range o.Refs {
		r.refs = append(r.refs, refspec(ref))
	}
	var err error
	if r.at, err = parseAddress(o.URL); err != nil {
		return nil, err
	}
	if r.remote, err = newRemote(r.at, &r.opts, nil); err != nil {
		return nil, err
	}
	r.signers, err = readTrust(o.Trust, nil)
	return r, err
}

// OnSilence implements source.Source.
func (r *Repository) OnSilence(tell func(host string, since time.Time)) { r.silent = tell }

// Matches implements source.Source.
func (r *Repository) Matches(ref source.Ref, pushed string) bool { return refspec(ref).matches(pushed) }

// String returns the repository's URL.
func (r *Repository) String() string { return r.opts.URL }

var errNotFetched = errors.New("the repository was not fetched yet")

// Revision returns a commit of what was fetched, by anything that git resolves.
func (r *Repository) Revision(rev string) (*source.Revision, error) {
	r.clone.mu.RLock()
	defer r.clone.mu.RUnlock()
	if r.clone.git == nil {
		return nil, errNotFetched
	}
	return revision(func() *git.Repository { return r.clone.git }, &r.clone.mu, rev)
}

// Between returns the commits after from up to to, oldest first, by first
// parents; at the most limit, of which the oldest are left out. If from is not
// among to's first-parent ancestors that are here (a force-push), only to itself is
// returned.
func (r *Repository) Between(from, to string, limit int) ([]source.Commit, error) {
	r.clone.mu.RLock()
	defer r.clone.mu.RUnlock()
	if r.clone.git == nil {
		return nil, errNotFetched
	}
	c, err := readCommit(r.clone.git.Storer, plumbing.NewHash(to))
	if err != nil {
		return nil, fmt.Errorf("read commit %s: %w", to, err)
	}
	h, err := readHistory(r.clone.git)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", to, err)
	}
	head := commitOf(c)
	var out []source.Commit
	for c.Hash.String() != from {
		if len(out) < limit {
			out = append(out, commitOf(c))
		}
		if c, err = h.parent(c); err != nil {
			return nil, fmt.Errorf("read the history of %s: %w", to, err)
		}
		if c == nil {
			return []source.Commit{head}, nil
		}
	}
	slices.Reverse(out)
	return out, nil
}

// Last returns a ref's head of the last fetch that the clone on disk knows, for
// when the repository can't be reached. It asks no server.
func (r *Repository) Last(of source.Ref) (source.Head, error) {
	r.clone.mu.Lock()
	defer r.clone.mu.Unlock()
	if err := r.clone.open(); err != nil {
		return source.Head{}, err
	}
	refs, err := r.clone.git.References()
	if err != nil {
		return source.Head{}, err
	}
	at := map[string]plumbing.Hash{}
	if err := refs.ForEach(func(p *plumbing.Reference) error {
		at[p.Name().String()] = p.Hash()
		return nil
	}); err != nil {
		return source.Head{}, err
	}
	ref := refspec(of)
	name := ref.choose(maps.Keys(at))
	if name == "" {
		return source.Head{}, fmt.Errorf("%s of %s was never fetched", ref, r.opts.URL)
	}
	return r.clone.head(ref, pointer{name, at[name]}, r.signers)
}
