package observed

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// Baseline is what a release's objects were when last surveyed, and so what drift is compared with.
// It is not changed once it is there.
type Baseline struct {
	Revision     int
	IDs          []manifest.ID
	Lasting      []manifest.ID // without what the cluster deletes by itself
	LeftToOthers []manifest.ID // what it lists, and another release has
	Drift        []ledger.Drift
	Foreign      []ledger.Drift
	Stale        bool  // it is to be surveyed anew
	By           Terms // by which it was found
}

// Terms say what is drift.
type Terms struct {
	strict bool
	ignore []manifest.Ignore
}

// TermsOf returns what is drift of a release.
func TermsOf(o plan.Owner) Terms { return Terms{o.Strict, o.Ignore} }

// FoundBy reports whether it was found by the terms that hold now: the head may have
// changed them in the middle of a rollout.
func (h *Baseline) FoundBy(now Terms) bool { return reflect.DeepEqual(h.By, now) }

// AsStale returns the same, to be surveyed anew.
func (h *Baseline) AsStale() *Baseline {
	out := *h
	out.Stale = true
	return &out
}

// Baselines are what each release's objects were when they were last surveyed. They are
// safe for concurrent use.
type Baselines struct {
	mu       sync.Mutex
	of       map[Key]*Baseline
	trusting bool // what records say of the cluster is believed: until the first full scan
}

// forget has every release surveyed, by what its records say.
func (b *Baselines) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of, b.trusting = map[Key]*Baseline{}, true
}

func (b *Baselines) Of(key Key) *Baseline {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of[key]
}

// Set enters what a release was found to be; nil to have it surveyed anew.
func (b *Baselines) Set(key Key, h *Baseline) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h == nil {
		delete(b.of, key)
		return
	}
	b.of[key] = h
}

// Objects are all that releases are held to.
func (b *Baselines) Objects() []manifest.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []manifest.ID
	for _, h := range b.of {
		out = append(out, h.IDs...)
	}
	return out
}

// Releases lists what is held, in order.
func (b *Baselines) Releases() []Key {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Keys(b.of), func(a, b Key) int { return strings.Compare(a.String(), b.String()) })
}

// RecordsTrusted reports whether what records say of the cluster is believed.
func (b *Baselines) RecordsTrusted() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trusting
}

// DistrustRecords has the cluster asked from now on.
func (b *Baselines) DistrustRecords() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trusting = false
}

// Holder returns the release, besides one, that is held to an object; empty if there is
// none.
func (b *Baselines) Holder(besides string, id manifest.ID) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, h := range b.of {
		if key.String() != besides && slices.Contains(h.IDs, id) {
			return key.String()
		}
	}
	return ""
}

// ObjectReleased has the releases that left an object to another one surveyed anew: they may have
// to have it.
func (b *Baselines) ObjectReleased(id manifest.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, h := range b.of {
		if slices.Contains(h.LeftToOthers, id) {
			b.of[key] = h.AsStale()
		}
	}
}
