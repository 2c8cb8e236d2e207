package apply

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// orEnded judges as judge does, but for what is gone: that is judged by what it was
// like when it was deleted, if it had ended by then. The cluster may delete a Job as
// soon as it has ended, before anybody looked.
func (c *Cluster) orEnded(judge func(manifest.ID) Health) func(manifest.ID) Health {
	ended := map[manifest.ID]Health{} // Live forgets before the slowest rollouts are over
	return func(id manifest.ID) Health {
		h := judge(id)
		if h.State != Missing {
			delete(ended, id)
			return h
		}
		was := c.Live.lastOf(id)
		if last := endOf(c.healthBy(id, was), was); last.State == Healthy || last.State == Unhealthy && !last.Mends {
			ended[id] = last
		}
		if last, ok := ended[id]; ok {
			return last
		}
		return h
	}
}

// deletionOf is the deletion of an object that was last seen as k.
func deletionOf(k *kept) deletion {
	d := deletion{version: k.ResourceVersion, at: time.Now()}
	if plan.RunsToEnd(k.id()) {
		d.last = k
	}
	return d
}

// lastOf returns what an object was like when it was deleted, if it is of a kind that
// runs to an end and that is not long ago; nil otherwise.
func (l *Live) lastOf(id manifest.ID) *unstructured.Unstructured {
	l.mu.Lock()
	last := l.gone[id].last
	l.mu.Unlock()
	if last == nil {
		return nil
	}
	u, err := last.object()
	if err != nil {
		return nil
	}
	u.SetDeletionTimestamp(nil) // that is over
	return u
}
