package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"

	"github.com/xetys/tether/source"
)

// Fetch brings the refs' heads, with their history (an empty clone gets the newest
// of it), and returns them once their commits and trees are known to be there. A
// clone that is damaged is made afresh. On an error all stays what it was; a ref
// that is not there any more is said in its Head.
func (r *Repository) Fetch(ctx context.Context) (source.Heads, error) {
	r.fetching.Lock()
	defer r.fetching.Unlock()
	late := fmt.Errorf("it was not done within %s: %w", r.opts.Timeout, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, r.opts.Timeout, late)
	defer cancel()
	heads, err := r.fetch(ctx)
	if errors.Is(err, errDamaged) {
		if err := r.clone.discard(); err != nil {
			return nil, fmt.Errorf("clear the damaged clone: %w", err)
		}
		heads, err = r.fetch(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch %s of %s: %w", r.following(), r.opts.URL, err)
	}
	if err := r.clone.tidy(); err != nil {
		return nil, fmt.Errorf("repack the clone of %s: %w", r.opts.URL, err)
	}
	return heads, nil
}

// following returns the refs in words.
func (r *Repository) following() string {
	var out []string
	for _, ref := range r.refs {
		out = append(out, ref.String())
	}
	return strings.Join(out, ", ")
}

func (r *Repository) fetch(ctx context.Context) (source.Heads, error) {
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
func (r *Repository) receive(ctx context.Context) (map[refspec]pointer, error) {
	host := cmp.Or(r.remote.host(), "this machine")
	ctx, stop := withWatch(ctx, r.opts.Silence, func(since time.Time) { r.silent(host, since) })
	defer stop()
	at, err := r.exchange(ctx)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx) // what broke off then tells nothing
	}
	return at, err
}

func (r *Repository) exchange(ctx context.Context) (map[refspec]pointer, error) {
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
	if wants := r.clone.wants(at); len(wants) > 0 {
		return at, r.download(ctx, s, refs, wants)
	}
	return at, nil
}

// refresh opens the clone, and reads the credentials and the trusted keys anew.
func (r *Repository) refresh() error {
	remote, err := newRemote(r.at, &r.opts, r.remote)
	if err != nil {
		return err
	}
	r.remote = remote
	r.clone.mu.Lock()
	defer r.clone.mu.Unlock()
	signers, err := readTrust(r.opts.Trust, r.signers)
	if err != nil {
		return err // those of before stay in force
	}
	r.signers = signers
	return r.clone.open()
}

// chosen returns where the refs point on the server.
func (r *Repository) chosen(refs *packp.AdvRefs) map[refspec]pointer {
	out := map[refspec]pointer{}
	for _, ref := range r.refs {
		if name := ref.choose(maps.Keys(refs.References)); name != "" {
			out[ref] = pointer{name, refs.References[name]}
		}
	}
	return out
}

// download brings what is wanted. The clone is locked only once it is all here.
func (r *Repository) download(ctx context.Context, s transport.UploadPackSession, refs *packp.AdvRefs, wants []plumbing.Hash) error {
	req, err := r.clone.request(r.remote.at.Host, refs, wants)
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
		return fmt.Errorf("receive the commits: %w", clientError(err))
	}
	watchOf(ctx).rest()
	stored, err := storePack(ctx, r.opts.Dir, file)
	if err != nil {
		return fmt.Errorf("store the commits: %w", err)
	}
	r.clone.mu.Lock()
	defer r.clone.mu.Unlock()
	return r.clone.put(stored, req.Shallows, answer.Shallows)
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
func (r *Repository) take(at map[refspec]pointer) (source.Heads, error) {
	r.clone.mu.Lock()
	defer r.clone.mu.Unlock()
	heads := source.Heads{}
	for _, ref := range r.refs {
		p, ok := at[ref]
		if !ok {
			heads[source.Ref(ref)] = source.Head{Err: fmt.Errorf("fetch %s of %s: %s", ref, r.opts.URL, ref.missing())}
			continue
		}
		head, err := r.clone.head(ref, p, r.signers)
		if err != nil {
			return nil, err
		}
		if head.Err != nil {
			heads[source.Ref(ref)] = head
			continue
		}
		if err := r.clone.point(plumbing.NewHashReference(plumbing.ReferenceName(p.name), p.hash)); err != nil {
			return nil, err
		}
		heads[source.Ref(ref)] = head
	}
	return heads, r.clone.dropTags(at)
}
