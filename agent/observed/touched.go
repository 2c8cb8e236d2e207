package observed

import (
	"slices"
	"sync"

	"github.com/xetys/tether/render/manifest"
)

// Touched are the objects that may have drifted since they were last surveyed. It is safe
// for concurrent use: watches enter what they see.
type Touched struct {
	mu   sync.Mutex
	ids  map[manifest.ID]bool
	most int // how large it may grow until it is tidied
}

// forget drops all of them.
func (t *Touched) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids = map[manifest.ID]bool{}
}

// minTouched is how many objects may be dirty before any is forgotten.
const minTouched = 4096

// Touch enters an object that may have drifted. Once there are many, those are
// forgotten that no release is held to, as hooks' are: a release that is not held is
// surveyed anyway.
func (t *Touched) Touch(id manifest.ID, inForce func() []manifest.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids[id] = true
	if len(t.ids) <= max(t.most, minTouched) {
		return
	}
	kept := map[manifest.ID]bool{}
	for _, id := range inForce() {
		if t.ids[id] {
			kept[id] = true
		}
	}
	t.ids, t.most = kept, 2*len(kept)
}

// Any reports whether one of the objects may have drifted.
func (t *Touched) Any(ids []manifest.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(ids, func(id manifest.ID) bool { return t.ids[id] })
}

// MarkSurveyed enters that objects are being surveyed: one that is touched from now on is surveyed
// again.
func (t *Touched) MarkSurveyed(ids []manifest.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, id := range ids {
		delete(t.ids, id)
	}
}
