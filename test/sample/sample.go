// Package sample is an agent's environments, made up, for tests of what shows them.
//
// It does not know a cluster or an agent: it is a Reader whose answers stand here, and can
// be changed while somebody looks.
package sample

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/agent/why"
)

// Now is when the sample was taken.
var Now = time.Date(2026, 11, 27, 14, 32, 8, 0, time.UTC)

// Reader answers with what it holds. Its methods may be called at once; its fields are
// changed by Change.
type Reader struct {
	All     map[string]*status.Status
	Stories map[string][]reads.HistoryItem
	Metric  map[string]*reads.Delivery
	// Differences are by release.
	Differences map[string]*reads.Difference
	// Pages are what is known of objects, and Rendered their fields, by their names.
	Pages    map[string]*why.Page
	Rendered map[string]*why.Rendered
	// Unread says that no environment was read whole yet.
	Unread bool

	mu     sync.Mutex
	looked map[chan struct{}]bool
}

// Change changes what is read, and tells those who look.
func (r *Reader) Change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	for c := range r.looked {
		select {
		case c <- struct{}{}:
		default: // it is about to look
		}
	}
}

// EnvironmentNames implements page.Reader, as do all that follow.
func (r *Reader) EnvironmentNames() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for name := range r.All {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Summaries are the sample's, by name.
func (r *Reader) Summaries(context.Context) ([]status.Summary, error) {
	var out []status.Summary
	for _, name := range r.EnvironmentNames() {
		st, err := r.of(name)
		if err != nil {
			return nil, err
		}
		s := status.Summary{Overview: st.Overview, Releases: len(st.Releases)}
		for _, one := range st.Releases {
			if !one.Healthy {
				s.Unhealthy++
			}
			s.Drifted += len(one.Drift)
		}
		out = append(out, s)
	}
	return out, nil
}

func (r *Reader) of(environment string) (*status.Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if st := r.All[environment]; st != nil {
		return st, nil
	}
	return nil, api.Missing(fmt.Errorf("this agent does not keep an environment %s", environment))
}

// LastKnown is the sample's status.
func (r *Reader) LastKnown(_ context.Context, environment string) (*status.Status, time.Time, error) {
	st, err := r.of(environment)
	if r.Unread {
		return st, time.Time{}, err
	}
	return st, Now, err
}

// HistoryItems is the sample's history.
func (r *Reader) HistoryItems(_ context.Context, environment string, _ time.Time) ([]reads.HistoryItem, error) {
	_, err := r.of(environment)
	return r.Stories[environment], err
}

// Delivered are the sample's metrics.
func (r *Reader) Delivered(_ context.Context, environment string, _ time.Time) (*reads.Delivery, error) {
	if d := r.Metric[environment]; d != nil {
		return d, nil
	}
	return &reads.Delivery{}, nil
}

// Compare is the sample's difference of a release.
func (r *Reader) Compare(_ context.Context, _, release string, _, _ int) (*reads.Difference, error) {
	if d := r.Differences[release]; d != nil {
		return d, nil
	}
	return nil, api.Missing(errors.New("release has no such record"))
}

// Changes tells of each Change.
func (r *Reader) Changes(ctx context.Context, _ []string, tell func()) error {
	c := make(chan struct{}, 1)
	r.mu.Lock()
	if r.looked == nil {
		r.looked = map[chan struct{}]bool{}
	}
	r.looked[c] = true
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.looked, c)
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c:
			tell()
		}
	}
}

// Key is a key that everybody knows.
func (r *Reader) Key(context.Context, string) ([]byte, error) { return make([]byte, 32), nil }

// Objects are those that the sample has pages of.
func (r *Reader) Objects(_ context.Context, environment, release string) ([]string, string, error) {
	if _, err := r.of(environment); err != nil {
		return nil, "", err
	}
	var out []string
	for name, page := range r.Pages {
		if page.Release == release {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil, "", api.Missing(fmt.Errorf("environment %s has no release %s", environment, release))
	}
	return out, bump.Commit, nil
}

// Why is what the sample knows of an object.
func (r *Reader) Why(_ context.Context, environment, release, object string) (*why.Page, *why.Rendered, error) {
	page := r.Pages[object]
	if page == nil || page.Release != release || page.Environment != environment {
		return nil, nil, api.Missing(fmt.Errorf("release %s renders no %s", release, object))
	}
	return page, r.Rendered[object], nil
}
