package wait

import (
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// ErrMissing says that somebody deleted what was just applied and waited for.
var ErrMissing = errors.New("object was deleted by somebody else")

// ErrChanged says that somebody changed what was just applied and waited for, in
// what is ours of it.
var ErrChanged = errors.New("object was changed by somebody else")

// Awaited is what a rollout waits for once its objects are applied.
type Awaited struct {
	Objects []manifest.ID
	Bounds  Bounds
	// Strict counts as a change what people's tools add to an object, too.
	Strict bool
	// Left says of objects that are known not to be as they were left, and that stay
	// so, what they are like. They are waited for: who changed them may put them back.
	// An empty text is for one that holds what was applied, though it is not all ours.
	Left map[manifest.ID]string
	// Progress is as in ForHealthy.
	Progress func([]judge.Health)
}

// applied is how objects were left by who waits for them.
type applied struct {
	cache  *live.Cache
	strict bool
	placed map[manifest.ID]live.Placement
	left   map[manifest.ID]string
	found  map[manifest.ID]uint64 // what is in left, when it was found so
}

// appliedAs takes down how objects were left. Of an object that is not known to be in place it
// takes how it is now: the survey found no difference in it.
func (w *Waiter) appliedAs(of Awaited) *applied {
	a := &applied{cache: w.live, strict: of.Strict, placed: make(map[manifest.ID]live.Placement, len(of.Objects)), left: of.Left, found: map[manifest.ID]uint64{}}
	for _, id := range of.Objects {
		if p, known := w.live.Placements.Of(id); known {
			a.placed[id] = p
		}
	}
	for _, id := range of.Objects {
		if _, stays := of.Left[id]; stays {
			a.found[id] = a.content(id)
			continue
		}
		m, _ := w.live.HashesOf(id)
		if _, known := a.placed[id]; !known && m.Ours {
			a.placed[id] = live.Placement{Live: m.Live, Foreign: m.Foreign}
		}
	}
	return a
}

// compare holds an object to how it was left. One that is not so any more is not
// healthy, whatever its status says; an error says that this is news.
func (a *applied) compare(h *judge.Health) (differs bool, news error) {
	if a == nil || h.State == health.Unknown {
		return false, nil
	}
	why, stays := a.left[h.ID]
	if h.State == health.Missing {
		if stays {
			h.Reason = why
			return true, nil
		}
		return true, fmt.Errorf("%s: %w", h.ID, ErrMissing)
	}
	m, there := a.cache.HashesOf(h.ID)
	known := stays && a.found[h.ID] == a.content(h.ID)
	if !there || known && why == "" || !known && a.holds(h.ID, m) {
		return false, nil
	}
	object, ok := a.cache.Get(h.ID)
	if !ok || object.GetDeletionTimestamp() != nil {
		return true, nil // it is on its way to be missing
	}
	h.State = health.Progressing
	if known {
		h.Reason = why
		return true, nil
	}
	err := fmt.Errorf("%w%s", ErrChanged, writerOf(object))
	h.Reason = err.Error()
	return true, fmt.Errorf("%s: %w", h.ID, err)
}

// holds reports whether an object with these marks is as it was left, as far as that is
// known.
func (a *applied) holds(id manifest.ID, m live.Hashes) bool {
	p, known := a.placed[id]
	if _, stays := a.left[id]; !known {
		return !stays
	}
	return m.Ours && m.Live == p.Live && (!a.strict || m.Foreign == p.Foreign)
}

// content identifies what an object is like but for its status, whoever owns it: what
// somebody took from us and sets back is not ours any more, and shows in no mark.
func (a *applied) content(id manifest.ID) uint64 {
	found, ok := a.cache.Get(id)
	if !ok {
		return 0
	}
	body, meta := maps.Clone(found.Object), maps.Clone(manifest.AsMap(found.Object["metadata"]))
	delete(body, "status")
	delete(meta, "resourceVersion")
	delete(meta, "managedFields")
	body["metadata"] = meta
	return live.Fingerprint(&unstructured.Unstructured{Object: body})
}

// writerOf names who wrote last to an object, besides us and who writes its status.
func writerOf(object *unstructured.Unstructured) string {
	name, newest := "", int64(0)
	for _, m := range object.GetManagedFields() {
		if m.Manager == ownership.FieldManager || m.Subresource == "status" || m.Time == nil || m.Time.Unix() < newest {
			continue
		}
		name, newest = m.Manager, m.Time.Unix()
	}
	if name == "" {
		return ""
	}
	return ", " + name
}
