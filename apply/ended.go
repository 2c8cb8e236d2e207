package apply

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

// orEnded judges as judge does, but for what is gone: that is judged by what it was
// like when it was deleted, if it had ended by then. The cluster may delete a Job as
// soon as it has ended, before anybody looked.
func (c *Cluster) orEnded(judge func(manifest.ID) Health, last func(manifest.ID) *unstructured.Unstructured) func(manifest.ID) Health {
	ended := map[manifest.ID]Health{} // Live forgets before the slowest rollouts are over
	return func(id manifest.ID) Health {
		h := judge(id)
		if h.State != Missing {
			delete(ended, id)
			return h
		}
		was := last(id)
		if h := endOf(c.healthBy(id, was), was); h.State == Healthy || h.State == Unhealthy && !h.Mends {
			ended[id] = h
		}
		if h, ok := ended[id]; ok {
			return h
		}
		return h
	}
}
