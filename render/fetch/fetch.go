// Package fetch downloads charts from chart repositories and OCI registries, as packed charts
// that are identified by their digests.
//
// It does not know git, environments or Secrets, nor what is in a chart: it is
// given a reference, and returns bytes.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/xetys/tether/source/outbound"
)

// maxCache is for thousands of charts, and leaves the clone its share of a volume.
const maxCache = 512 << 20

// Options configure a Fetcher.
type Options struct {
	// Dir is where what was fetched is kept; nothing is if it is empty.
	Dir string
	// DockerConfig is a docker config.json with logins, or nothing.
	DockerConfig []byte
	// CA are certificates in PEM that hosts' are checked against, beside the
	// system's.
	CA []byte
	// Reach says what addresses may lead to. Where this machine is reached, a registry there
	// may do without TLS.
	Reach outbound.Rule
}

// Fetcher fetches charts. It is safe for concurrent use.
type Fetcher struct {
	*hosts
	cache        *cache
	repositories *chartRepositories
}

// New returns a Fetcher. It asks nobody.
func New(o Options) (*Fetcher, error) {
	h := &hosts{ca: o.CA, reach: o.Reach, clients: map[string]*http.Client{}}
	var err error
	if len(o.DockerConfig) > 0 {
		if h.logins, err = dockerConfig(o.DockerConfig); err != nil {
			return nil, fmt.Errorf("the docker config %w", err)
		}
	}
	if _, err := h.client(nil); err != nil {
		return nil, err
	}
	kept := &cache{o.Dir, maxCache}
	return &Fetcher{hosts: h, cache: kept, repositories: &chartRepositories{hosts: h, cache: kept, indexes: indexes{kept: map[string]*index{}}}}, nil
}

// asks is the key in a context of who asks.
type asks struct{}

// For has charts be fetched for an environment: what is in the cache is its own once it was
// let have it by the host, with its own login or none.
func For(ctx context.Context, environment string) context.Context {
	return context.WithValue(ctx, asks{}, environment)
}

// whose is who asks; empty for nobody in particular.
func whose(ctx context.Context) string {
	environment, _ := ctx.Value(asks{}).(string)
	return environment
}

// Get returns a packed chart, and its digest. pin is what the reference was
// resolved to before, or nil: it is kept to, and nobody is asked if that is in the
// cache, fetched For the same environment before.
//
// It fails with an AwayError if it is worth another try.
func (f *Fetcher) Get(ctx context.Context, r Reference, pin *Pin, logins Logins) ([]byte, Pin, error) {
	if pin == nil && r.Digest != "" {
		pin = &Pin{Resolved: r.Version, Digest: r.Digest}
	}
	if pin != nil && f.cache.let(whose(ctx), pin.Digest) {
		if raw := f.cached(r, pin.Digest); raw != nil {
			return raw, Pin{Chart: r.Chart(), Version: r.Asked(), Resolved: pin.Resolved, Digest: pin.Digest}, nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	c, err := f.connect(ctx, r.host(), logins)
	if err != nil {
		return nil, Pin{}, err
	}
	var got *fetched
	if r.oci() {
		got, err = pull(ctx, c, f.cache, r, pin)
	} else {
		got, err = f.repositories.download(ctx, c, r, pin, logins)
	}
	if errors.Is(err, errAbsent) {
		err = fmt.Errorf("%s has no such chart or version: check both, and that it was published", c.host)
		if pin != nil {
			err = fmt.Errorf("%s does not have it (%s) any more: publish it again, or ask for another version", c.host, pin.Digest)
		}
	}
	if err != nil {
		return nil, Pin{}, err
	}
	if err := f.cache.allow(whose(ctx), got.digest); err != nil {
		return nil, Pin{}, err
	}
	return got.raw, Pin{Chart: r.Chart(), Version: r.Asked(), Resolved: got.resolved, Digest: got.digest}, nil
}

// Used keeps what a pin names from being dropped as unused.
func (f *Fetcher) Used(r Reference, pin Pin) { f.cached(r, pin.Digest) }

// cached returns a packed chart that was fetched before, or nil.
func (f *Fetcher) cached(r Reference, digest string) []byte {
	raw := f.cache.get(digest)
	if raw == nil || !r.oci() {
		return raw
	}
	layer, err := layerOf(raw)
	if err != nil {
		return nil
	}
	return f.cache.get(string(layer.Digest))
}
