package charts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/render/worker"
)

// remote fetches a chart, or finds it in memory or on disk. name is what it has to
// be called, or empty.
func (l *Loader) remote(ctx context.Context, ref fetch.Reference, name string) (*Chart, error) {
	fetcher := l.from.Fetcher
	if fetcher == nil {
		return nil, errors.New("it lies elsewhere, and nothing is fetched here")
	}
	pin, firm := l.from.Pins.of(ref)
	if s := l.inMemory(ctx, ref, pin); s != nil {
		return s, checkIdentity(s, ref, name)
	}
	ctx = fetch.For(ctx, worker.Whose(ctx))
	raw, got, err := fetcher.Get(ctx, ref, pin, l.from.Login)
	if err != nil && pin != nil && !firm && !IsAway(err) {
		raw, got, err = fetcher.Get(ctx, ref, nil, l.from.Login)
	}
	if err != nil {
		return nil, err
	}
	s, err := l.unpacked(ctx, raw, got.Digest)
	if err != nil {
		return nil, err
	}
	s.Key = got.Digest
	if err := checkIdentity(s, ref, name); err != nil {
		return nil, err
	}
	if err := complete(s); err != nil {
		return nil, err
	}
	got.Resolved = s.chart.Metadata.Version
	l.store.put(ctx, s)
	l.pin(ref, got)
	return s, nil
}

// inMemory returns a chart that was read before, if it is known which one it is.
func (l *Loader) inMemory(ctx context.Context, ref fetch.Reference, pin *fetch.Pin) *Chart {
	if pin == nil && ref.Digest != "" {
		pin = &fetch.Pin{Digest: ref.Digest}
	}
	if pin == nil {
		return nil
	}
	s := l.store.get(ctx, pin.Digest)
	if s != nil {
		l.from.Fetcher.Used(ref, *pin)
		l.pin(ref, *pin)
	}
	return s
}

// pin takes note of what a reference was resolved to; a digest needs no note.
func (l *Loader) pin(ref fetch.Reference, pin fetch.Pin) {
	if ref.Digest == "" {
		l.from.Pins.use(pin)
	}
}

// checkIdentity holds a chart to the name and the version that it was asked for by.
func checkIdentity(s *Chart, ref fetch.Reference, name string) error {
	meta := s.chart.Metadata
	if name = cmp.Or(name, ref.Name); name != "" && meta.Name != name {
		return fmt.Errorf("what is published there is chart %s", meta.Name)
	}
	if fetch.IsVersion(ref.Version) && strings.TrimPrefix(meta.Version, "v") != strings.TrimPrefix(ref.Version, "v") {
		return fmt.Errorf("what is published there says in its Chart.yaml that it is version %s", meta.Version)
	}
	return nil
}
