package agent

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

// held is what the cluster is held to for one release. It is not changed once it is there.
type held struct {
	revision int
	ids      []manifest.ID
	lasting  []manifest.ID // without what the cluster deletes by itself
	ceded    []manifest.ID // what it lists, and another release has
	drift    []ledger.Drift
	foreign  []ledger.Drift
	stale    bool  // it is to be surveyed anew
	by       terms // by which it was found
}

// terms say what is drift.
type terms struct {
	strict bool
	ignore []manifest.Ignore
}

func termsOf(o plan.Owner) terms { return terms{o.Strict, o.Ignore} }

// foundBy reports whether it was found by the terms that hold now: the head may have
// changed them in the middle of a rollout.
func (h *held) foundBy(now terms) bool { return reflect.DeepEqual(h.by, now) }

// doubted returns the same, to be surveyed anew.
func (h *held) doubted() *held {
	out := *h
	out.stale = true
	return &out
}

// baselines are what each release's objects were when they were last surveyed. They are
// safe for concurrent use.
type baselines struct {
	mu       sync.Mutex
	of       map[releaseKey]*held
	trusting bool // what records say of the cluster is believed: until the first full scan
}

// forget has every release surveyed, by what its records say.
func (b *baselines) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of, b.trusting = map[releaseKey]*held{}, true
}

func (b *baselines) heldOf(key releaseKey) *held {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of[key]
}

// hold remembers what a release was found to be; nil to have it surveyed anew.
func (b *baselines) hold(key releaseKey, h *held) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h == nil {
		delete(b.of, key)
		return
	}
	b.of[key] = h
}

// objects are all that releases are held to.
func (b *baselines) objects() []manifest.ID {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []manifest.ID
	for _, h := range b.of {
		out = append(out, h.ids...)
	}
	return out
}

// releases lists what is held, in order.
func (b *baselines) releases() []releaseKey {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Keys(b.of), func(a, b releaseKey) int { return strings.Compare(a.String(), b.String()) })
}

// trust reports whether what records say of the cluster is believed.
func (b *baselines) trust() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trusting
}

// distrust has the cluster asked from now on.
func (b *baselines) distrust() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trusting = false
}

// holder returns the release, besides one, that is held to an object; empty if there is
// none.
func (b *baselines) holder(besides string, id manifest.ID) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, h := range b.of {
		if key.String() != besides && slices.Contains(h.ids, id) {
			return key.String()
		}
	}
	return ""
}

// offer has the releases that left an object to another one surveyed anew: they may have
// to have it.
func (b *baselines) offer(id manifest.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, h := range b.of {
		if slices.Contains(h.ceded, id) {
			b.of[key] = h.doubted()
		}
	}
}
