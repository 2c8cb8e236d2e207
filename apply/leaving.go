package apply

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// Doomed returns what a plan deletes and is not gone yet.
func (c *Cluster) Doomed(plan plan.Plan) []manifest.ID {
	var out []manifest.ID
	for _, ch := range plan.Doomed() {
		if live, ok := c.Live.Get(ch.ID); ok && live.GetUID() == ch.Live.GetUID() {
			out = append(out, ch.ID)
		}
	}
	return out
}

// Leaving returns those of the objects that are still there, and what holds each. What has
// no kind any more is gone, and so is what somebody else has now.
func (c *Cluster) Leaving(ctx context.Context, ids []manifest.ID) ([]Health, error) {
	var unknown []*unstructured.Unstructured
	for _, id := range ids {
		if c.Live.Asked(id) {
			continue
		}
		m, err := c.Mapper.RESTMapping(id.GroupKind())
		if err != nil {
			continue
		}
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(m.GroupVersionKind)
		u.SetNamespace(id.Namespace)
		u.SetName(id.Name)
		unknown = append(unknown, u)
	}
	if err := c.Live.Watch(ctx, unknown); err != nil {
		return nil, err
	}
	var out []Health
	for _, id := range ids {
		if live, ok := c.Live.Get(id); ok {
			out = append(out, Health{ID: id, State: Progressing, Reason: holds(live)})
		}
	}
	return out, nil
}

// AnyThere reports whether any of some objects is in the cluster.
func (c *Cluster) AnyThere(ctx context.Context, objects []manifest.Object) (bool, error) {
	for _, o := range objects {
		live, err := c.look(ctx, c.Served(o.Unstructured))
		if err != nil || live != nil {
			return live != nil, err
		}
	}
	return false, nil
}

// holds says what keeps an object that is to go.
func holds(live *unstructured.Unstructured) string {
	switch f := live.GetFinalizers(); {
	case live.GetDeletionTimestamp() == nil:
		return "it could not be deleted, and is deleted with the next rollout"
	case len(f) > 0:
		return fmt.Sprintf("it is being deleted, and finalizers %v hold it", f)
	}
	return "it is being deleted"
}
