package apply

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// ErrMissing says that somebody deleted what was just applied and waited for.
var ErrMissing = errors.New("it was deleted by somebody else")

// ErrChanged says that somebody changed what was just applied and waited for, in
// what is ours of it.
var ErrChanged = errors.New("it was changed by somebody else")

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
	// Progress is as in WaitFor.
	Progress func([]Health)
}

// Wait returns when all objects are healthy, and hold what was applied: what
// somebody changed meanwhile may well be healthy, and is not what is waited for. It
// returns ErrMissing as soon as one of them is not there any more, unless it had
// ended, and ErrChanged as soon as one is not as it was left, for the caller to look
// at it; at the deadline either is an UnhealthyError. For the rest see WaitFor.
func (c *Cluster) Wait(ctx context.Context, a Awaited) error {
	w := waiter{cluster: c, objects: a.Objects, judge: c.orEnded(c.healthOf, c.Live.LastOf), applied: c.appliedAs(a), bounds: a.Bounds, progress: a.Progress}
	return w.wait(ctx)
}

// applied is how objects were left by who waits for them.
type applied struct {
	strict bool
	placed map[manifest.ID]live.Placement
	left   map[manifest.ID]string
	found  map[manifest.ID]uint64 // what is in left, when it was found so
}

// appliedAs takes down how objects were left. Of what is not known to be in place it
// takes what it is like now: the survey found no difference in it.
func (c *Cluster) appliedAs(of Awaited) *applied {
	a := &applied{strict: of.Strict, placed: make(map[manifest.ID]live.Placement, len(of.Objects)), left: of.Left, found: map[manifest.ID]uint64{}}
	for _, id := range of.Objects {
		if p, known := c.Placements.Of(id); known {
			a.placed[id] = p
		}
	}
	for _, id := range of.Objects {
		if _, stays := of.Left[id]; stays {
			a.found[id] = c.content(id)
			continue
		}
		m, _ := c.Live.MarksOf(id)
		if _, known := a.placed[id]; !known && m.Ours {
			a.placed[id] = live.Placement{Live: m.Live, Foreign: m.Foreign}
		}
	}
	return a
}

// compare holds an object to how it was left. One that is not so any more is not
// healthy, whatever its status says; an error says that this is news.
func (a *applied) compare(c *Cluster, h *Health) (differs bool, news error) {
	if a == nil || h.State == Unknown {
		return false, nil
	}
	why, stays := a.left[h.ID]
	if h.State == Missing {
		if stays {
			h.Reason = why
			return true, nil
		}
		return true, fmt.Errorf("%s: %w", h.ID, ErrMissing)
	}
	m, there := c.Live.MarksOf(h.ID)
	known := stays && a.found[h.ID] == c.content(h.ID)
	if !there || known && why == "" || !known && a.holds(h.ID, m) {
		return false, nil
	}
	live, ok := c.Live.Get(h.ID)
	if !ok || live.GetDeletionTimestamp() != nil {
		return true, nil // it is on its way to be missing
	}
	h.State = Progressing
	if known {
		h.Reason = why
		return true, nil
	}
	err := fmt.Errorf("%w%s", ErrChanged, writerOf(live))
	h.Reason = err.Error()
	return true, fmt.Errorf("%s: %w", h.ID, err)
}

// holds reports whether an object with these marks is as it was left, as far as that is
// known.
func (a *applied) holds(id manifest.ID, m live.Marks) bool {
	p, known := a.placed[id]
	if _, stays := a.left[id]; !known {
		return !stays
	}
	return m.Ours && m.Live == p.Live && (!a.strict || m.Foreign == p.Foreign)
}

// content identifies what an object is like but for its status, whoever owns it: what
// somebody took from us and sets back is not ours any more, and shows in no mark.
func (c *Cluster) content(id manifest.ID) uint64 {
	found, ok := c.Live.Get(id)
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
func writerOf(live *unstructured.Unstructured) string {
	name, newest := "", int64(0)
	for _, m := range live.GetManagedFields() {
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
