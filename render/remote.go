package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/worker"
)

// AwayError says that something outside of the repository could not be asked: the
// inputs may be good, and are worth another try.
type AwayError struct{ err error }

// Error says what could not be had, for which release, and why.
func (e *AwayError) Error() string { return e.err.Error() }

// Unwrap returns the trouble.
func (e *AwayError) Unwrap() error { return e.err }

// Pin is what a chart's version was resolved to.
type Pin = fetch.Pin

// Pins are what an environment's charts that lie elsewhere were resolved to: ranges
// and tags mean another chart tomorrow. They are safe for concurrent use.
type Pins struct {
	mu    sync.Mutex
	known map[string]known
	used  map[string]Pin
}

type known struct {
	pin  Pin
	firm bool
}

func pinKey(chart, version string) string { return chart + " " + version }

// Keep has charts resolved as they were before; later pins win. What the same commit
// was resolved to is kept to; another commit's counts only for a version, as nobody
// should publish it again, and gives way if somebody did.
func (p *Pins) Keep(pins []Pin, sameCommit bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]known{}
	}
	for _, pin := range pins {
		if sameCommit || pin.Version == "" || fetch.IsVersion(pin.Version) {
			p.known[pinKey(pin.Chart, pin.Version)] = known{pin, sameCommit}
		}
	}
}

// Used returns what was resolved, or kept to, sorted.
func (p *Pins) Used() []Pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.used), func(a, b Pin) int {
		return cmp.Or(cmp.Compare(a.Chart, b.Chart), cmp.Compare(a.Version, b.Version))
	})
}

func (p *Pins) of(r fetch.Reference) (*Pin, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := pinKey(r.Chart(), r.Asked())
	if pin, ok := p.used[key]; ok {
		return &pin, true
	}
	if k, ok := p.known[key]; ok {
		return &k.pin, k.firm
	}
	return nil, false
}

func (p *Pins) use(pin Pin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used == nil {
		p.used = map[string]Pin{}
	}
	p.used[pinKey(pin.Chart, pin.Version)] = pin
}

// remote fetches a chart, or finds it in memory or on disk. name is what it has to
// be called, or empty.
func (r *reading) remote(ctx context.Context, ref fetch.Reference, name string) (*source, error) {
	fetcher := r.renderer.config.Charts
	if fetcher == nil {
		return nil, errors.New("it lies elsewhere, and nothing is fetched here")
	}
	pin, firm := r.env.Pins.of(ref)
	if s := r.inMemory(ref, pin); s != nil {
		return s, checkIdentity(s, ref, name)
	}
	raw, got, err := fetcher.Get(ctx, ref, pin, r.login)
	if err != nil && pin != nil && !firm && !isAway(err) {
		raw, got, err = fetcher.Get(ctx, ref, nil, r.login)
	}
	if err != nil {
		return nil, err
	}
	s, err := r.unpacked(ctx, raw)
	if err != nil {
		return nil, err
	}
	s.key = got.Digest
	if err := checkIdentity(s, ref, name); err != nil {
		return nil, err
	}
	if err := complete(s); err != nil {
		return nil, err
	}
	got.Resolved = s.chart.Metadata.Version
	r.renderer.keep(s)
	r.pin(ref, got)
	return s, nil
}

// inMemory returns a chart that was read before, if it is known which one it is.
func (r *reading) inMemory(ref fetch.Reference, pin *Pin) *source {
	if pin == nil && ref.Digest != "" {
		pin = &Pin{Digest: ref.Digest}
	}
	if pin == nil {
		return nil
	}
	s := r.renderer.kept(pin.Digest)
	if s != nil {
		r.renderer.config.Charts.Used(ref, *pin)
		r.pin(ref, *pin)
	}
	return s
}

// pin takes note of what a reference was resolved to; a digest needs no note.
func (r *reading) pin(ref fetch.Reference, pin Pin) {
	if ref.Digest == "" {
		r.env.Pins.use(pin)
	}
}

// checkIdentity holds a chart to the name and the version that it was asked for by.
func checkIdentity(s *source, ref fetch.Reference, name string) error {
	meta := s.chart.Metadata
	if name = cmp.Or(name, ref.Name); name != "" && meta.Name != name {
		return fmt.Errorf("what is published there is chart %s", meta.Name)
	}
	if fetch.IsVersion(ref.Version) && strings.TrimPrefix(meta.Version, "v") != strings.TrimPrefix(ref.Version, "v") {
		return fmt.Errorf("what is published there says in its Chart.yaml that it is version %s", meta.Version)
	}
	return nil
}

// login finds the login that an environment names for a host.
func (r *reading) login(ctx context.Context, host string) (*fetch.Login, error) {
	i := slices.IndexFunc(r.env.ChartCredentials, func(c ChartCredential) bool { return c.Host == host })
	if i < 0 {
		return nil, nil
	}
	config := r.renderer.config
	ref := Reference{Kind: "Secret", Namespace: r.env.Namespace, Name: r.env.ChartCredentials[i].Secret}
	if config.References == nil {
		if config.Charts.Login(host) == nil {
			return nil, fmt.Errorf("the login for %s is in %s, which is not read without a cluster: give --registry-config", host, ref)
		}
		return nil, nil
	}
	data, err := config.References.Read(ctx, ref)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s, which is to hold the login for %s, does not exist: create it", ref, host)
	}
	if err != nil {
		return nil, &AwayError{fmt.Errorf("read the login for %s: %w", host, err)}
	}
	return fetch.SecretLogin(ref.String(), host, data)
}

func isAway(err error) bool {
	var host *fetch.AwayError
	var away *AwayError
	return errors.As(err, &host) || errors.As(err, &away)
}

// notHad says that a release's chart can't be had: for what the repository holds, or
// for what is nobody's fault.
func notHad(ctx context.Context, spec ReleaseSpec, err error) error {
	asked := spec.Chart
	if spec.remote != nil {
		asked = spec.remote.String()
	}
	text := fmt.Sprintf("chart %s of release %s: ", asked, spec.Name)
	if isAway(err) {
		return &AwayError{fmt.Errorf("%s%w", text, err)}
	}
	if ctx.Err() != nil || errors.Is(err, worker.ErrStart) {
		return err
	}
	return Problems{{File: spec.file, Line: spec.line, Message: text + err.Error(), cause: err}}
}
