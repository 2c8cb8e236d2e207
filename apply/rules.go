package apply

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/render/manifest"
)

// SetHealthRules sets the rules that go before the built-in ones. What was judged by
// others is judged anew.
func (c *Cluster) SetHealthRules(rules *health.Rules) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !rules.Equal(c.rules) {
		c.rules, c.judged = rules, map[manifest.ID]judged{}
	}
}

// forgetHealth drops what was found of objects that are gone.
func (c *Cluster) forgetHealth(ids []manifest.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.judged, id)
	}
}

// healthBy is HealthOf with the cluster's rules, and with what it says of the kind.
func (c *Cluster) healthBy(id manifest.ID, live *unstructured.Unstructured) Health {
	c.mu.Lock()
	rules := c.rules
	c.mu.Unlock()
	return judgedBy(id, live, health.Options{Rules: rules, Status: c.hasStatus})
}

// hasStatus says whether a kind has a status subresource.
func (c *Cluster) hasStatus(gvk schema.GroupVersionKind) health.Presence {
	switch has, known := c.StatusOf(gvk); {
	case !known:
		return health.Unsure
	case has:
		return health.Present
	}
	return health.Absent
}

// due reports whether an answer has to be given anew though the object is the same.
func (h Health) due(now time.Time) bool { return !h.Again.IsZero() && !now.Before(h.Again) }

// patient reports whether an object of which no controller says anything was waited
// for long enough: the time-out is not for that.
func (w *waiter) patient(h Health, now time.Time) bool {
	return !h.Again.IsZero() && !now.Before(w.half)
}

// lasting returns how long an object that won't mend itself has left before it ends
// the rollout, or how long until its answer changes by itself; an hour if neither.
func (w *waiter) lasting(h Health, now time.Time) time.Duration {
	if h.State != Unhealthy || h.Mends {
		delete(w.failed, h.ID)
		if !h.Again.IsZero() {
			return max(min(h.Again.Sub(now), w.half.Sub(now)), 0)
		}
		return time.Hour
	}
	if _, seen := w.failed[h.ID]; !seen {
		w.failed[h.ID] = now
	}
	return max(h.Grace-now.Sub(w.failed[h.ID]), 0)
}

// ends reports whether an object ends the rollout now.
func (h Health) ends(left time.Duration) bool {
	return h.State == Unhealthy && !h.Mends && left == 0
}
