package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// Head is where a ref that is followed points.
type Head struct {
	Commit
	// Name is the full name that the ref stands for, such as refs/tags/v1.2.0.
	Name string
	// Untrusted, if set, says why the head is not to be deployed: nobody signed it
	// who is trusted.
	Untrusted error
	// Err, if set, says why there is no head.
	Err error
}

// Heads are the heads of all refs that are followed.
type Heads map[Ref]Head

var errDamaged = errors.New("the clone is damaged")

// Fetch brings the refs' heads, with their history (an empty clone gets the newest
// of it), and returns them once their commits and trees are known to be there. A
// clone that is damaged is made afresh. On an error all stays what it was; a ref
// that is not there any more is said in its Head.
func (r *Repository) Fetch(ctx context.Context) (Heads, error) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	late := fmt.Errorf("it was not done within %s: %w", r.opts.Timeout, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Timeout, late)
	defer cancel()
	heads, err := r.fetch(ctx)
	if errors.Is(err, errDamaged) {
		if err := r.discard(); err != nil {
			return nil, fmt.Errorf("clear the damaged clone: %w", err)
		}
		heads, err = r.fetch(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s of %s: %w", r.following(), r.opts.URL, err)
	}
	if err := r.tidy(); err != nil {
		return nil, fmt.Errorf("repack the clone of %s: %w", r.opts.URL, err)
	}
	return heads, nil
}

// following returns the refs in words.
func (r *Repository) following() string {
	var out []string
	for _, ref := range r.opts.Refs {
		out = append(out, ref.String())
	}
	return strings.Join(out, ", ")
}

// discard drops the clone.
func (r *Repository) discard() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.git = nil
	clear(r.whole)
	return os.RemoveAll(r.opts.Dir)
}

func (r *Repository) fetch(ctx context.Context) (Heads, error) {
	if err := r.refresh(); err != nil {
		return nil, err
	}
	at, err := r.receive(ctx)
	if err != nil {
		return nil, err
	}
	return r.take(at)
}

// receive asks where the refs point, and brings what is not here of it. A server that
// goes silent is given up.
func (r *Repository) receive(ctx context.Context) (map[Ref]pointer, error) {
	host := cmp.Or(r.remote.host(), "this machine")
	ctx, stop := withWatch(ctx, r.opts.Silence, func(since time.Time) { r.silent(host, since) })
	defer stop()
	at, err := r.exchange(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx) // what broke off then tells nothing
	}
	return at, err
}

func (r *Repository) exchange(ctx context.Context) (map[Ref]pointer, error) {
	s, err := r.remote.connect(ctx)
	if err != nil {
		return nil, r.remote.explain(err)
	}
	defer s.Close()
	refs, err := r.remote.advertised(ctx, s)
	if err != nil {
		return nil, err
	}
	at := r.chosen(refs)
	if wants := r.wants(at); len(wants) > 0 {
		return at, r.download(ctx, s, refs, wants)
	}
	return at, nil
}

// refresh opens the clone, and reads the credentials and the trusted keys anew.
func (r *Repository) refresh() error {
	remote, err := r.newRemote(r.remote)
	if err != nil {
		return err
	}
	r.remote = remote
	r.mu.Lock()
	defer r.mu.Unlock()
	signers, err := r.readTrust(r.signers)
	if err != nil {
		return err // those of before stay in force
	}
	r.signers = signers
	return r.open()
}

// open opens the clone, or makes an empty one.
func (r *Repository) open() error {
	if r.git != nil {
		return nil
	}
	if err := dropLeftovers(r.opts.Dir); err != nil {
		return err
	}
	repo, err := openBare(r.opts.Dir)
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	r.git = repo
	return nil
}

// pointer is where a ref points, by the full name that it stands for.
type pointer struct {
	name string
	hash plumbing.Hash // of a commit, or of a tag object
}

// chosen returns where the refs point on the server.
func (r *Repository) chosen(refs *packp.AdvRefs) map[Ref]pointer {
	out := map[Ref]pointer{}
	for _, ref := range r.opts.Refs {
		if name := ref.choose(maps.Keys(refs.References)); name != "" {
			out[ref] = pointer{name, refs.References[name]}
		}
	}
	return out
}

// wants returns what of it is not in the clone.
func (r *Repository) wants(at map[Ref]pointer) []plumbing.Hash {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []plumbing.Hash
	for _, p := range at {
		if r.git.Storer.HasEncodedObject(p.hash) != nil && !slices.Contains(out, p.hash) {
			out = append(out, p.hash)
		}
	}
	return out
}

// download brings what is wanted. The clone is locked only once it is all here.
func (r *Repository) download(ctx context.Context, s transport.UploadPackSession, refs *packp.AdvRefs, wants []plumbing.Hash) error {
	req, err := r.request(refs, wants)
	if err != nil {
		return err
	}
	answer, err := s.UploadPack(ctx, req)
	if err != nil {
		return r.remote.explain(err)
	}
	defer answer.Close()
	file, err := os.CreateTemp(r.opts.Dir, fetchedPack)
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if _, err := io.Copy(file, demuxed(req.Capabilities, &watched{answer, watchOf(ctx)})); err != nil {
		return fmt.Errorf("receive the commits: %w", told(err))
	}
	watchOf(ctx).rest()
	stored, err := storePack(ctx, r.opts.Dir, file)
	if err != nil {
		return fmt.Errorf("store the commits: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.put(stored, req.Shallows, answer.Shallows)
}

// put takes a pack in. First where its history may end: a pack without that would look
// damaged.
func (r *Repository) put(stored func() error, ends, more []plumbing.Hash) error {
	all := slices.Concat(ends, more)
	if len(more) > 0 {
		if err := r.git.Storer.SetShallow(all); err != nil {
			return fmt.Errorf("store where the history ends: %w", err)
		}
	}
	if err := stored(); err != nil {
		return fmt.Errorf("store the commits: %w", err)
	}
	if err := r.reread(); err != nil {
		return fmt.Errorf("store the commits: %w", err)
	}
	if len(all) > 0 {
		if err := r.git.Storer.SetShallow(endsOf(r.git, all)); err != nil {
			return fmt.Errorf("store where the history ends: %w", err)
		}
	}
	return nil
}

// reread has the clone see a pack that it did not put there itself.
func (r *Repository) reread() error {
	if s, ok := r.git.Storer.(*filesystem.Storage); ok {
		s.Reindex()
	}
	// Its indexes are read now, under the lock: later, readers would do it at once.
	if err := r.git.Storer.HasEncodedObject(plumbing.ZeroHash); !errors.Is(err, plumbing.ErrObjectNotFound) {
		return err
	}
	return nil
}

// demuxed takes the pack out of what else the server says.
func demuxed(agreed *capability.List, answer io.Reader) io.Reader {
	switch {
	case agreed.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, answer)
	case agreed.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, answer)
	}
	return answer
}

// take has the clone's refs point where the server's do, once what they point to
// is known to be there.
func (r *Repository) take(at map[Ref]pointer) (Heads, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	heads := Heads{}
	for _, ref := range r.opts.Refs {
		p, ok := at[ref]
		if !ok {
			heads[ref] = Head{Err: fmt.Errorf("fetch %s of %s: %s", ref, r.opts.URL, ref.missing())}
			continue
		}
		head, err := r.head(ref, p)
		if err != nil {
			return nil, err
		}
		if head.Err != nil {
			heads[ref] = head
			continue
		}
		if err := r.point(plumbing.NewHashReference(plumbing.ReferenceName(p.name), p.hash)); err != nil {
			return nil, err
		}
		heads[ref] = head
	}
	return heads, r.dropTags(at)
}

// point writes a ref, if it is not what is written already.
func (r *Repository) point(to *plumbing.Reference) error {
	if now, err := r.git.Storer.Reference(to.Name()); err == nil && now.Hash() == to.Hash() {
		return nil
	}
	return r.git.Storer.SetReference(to)
}

// dropTags forgets tags that are followed no more: one that was taken back must
// not come up again.
func (r *Repository) dropTags(at map[Ref]pointer) error {
	used := map[plumbing.ReferenceName]bool{}
	for _, p := range at {
		used[plumbing.ReferenceName(p.name)] = true
	}
	tags, err := r.git.Tags()
	if err != nil {
		return err
	}
	var stale []plumbing.ReferenceName
	err = tags.ForEach(func(t *plumbing.Reference) error {
		if !used[t.Name()] {
			stale = append(stale, t.Name())
		}
		return nil
	})
	for _, name := range stale {
		err = errors.Join(err, r.git.Storer.RemoveReference(name))
	}
	return err
}

// Last returns a ref's head of the last fetch that the clone on disk knows, for
// when the repository can't be reached. It asks no server.
func (r *Repository) Last(ref Ref) (Head, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.open(); err != nil {
		return Head{}, err
	}
	refs, err := r.git.References()
	if err != nil {
		return Head{}, err
	}
	at := map[string]plumbing.Hash{}
	if err := refs.ForEach(func(p *plumbing.Reference) error {
		at[p.Name().String()] = p.Hash()
		return nil
	}); err != nil {
		return Head{}, err
	}
	name := ref.choose(maps.Keys(at))
	if name == "" {
		return Head{}, fmt.Errorf("%s of %s was never fetched", ref, r.opts.URL)
	}
	return r.head(ref, pointer{name, at[name]})
}

// largeObject is from what size on objects are read piece by piece. go-git then mistakes
// a delta that takes pieces of a file in any other order than theirs, so that is left to
// what is larger than a chart may be.
const largeObject = 32 << 20

// openBare opens a clone, or makes an empty one.
func openBare(dir string) (*git.Repository, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	store := filesystem.NewStorageWithOptions(osfs.New(dir), cache.NewObjectLRU(16*cache.MiByte),
		filesystem.Options{LargeObjectThreshold: largeObject})
	repo, err := git.Open(store, nil)
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return git.Init(store, nil)
	}
	return repo, err
}
