package inspect

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// PendingDeletions returns what a plan deletes and is not gone yet.
func (in *Inspector) PendingDeletions(p plan.Plan) []manifest.ID {
	var out []manifest.ID
	for _, ch := range p.Deletions() {
		if live, ok := in.live.Get(ch.ID); ok && live.GetUID() == ch.Live.GetUID() {
			out = append(out, ch.ID)
		}
	}
	return out
}

// Terminating returns those of the objects that are still there, and what holds each. An object
// whose kind is no longer served is gone, and so is one that belongs to somebody else by now.
func (in *Inspector) Terminating(ctx context.Context, ids []manifest.ID) ([]judge.Health, error) {
	var unknown []*unstructured.Unstructured
	for _, id := range ids {
		if in.live.Asked(id) {
			continue
		}
		m, err := in.client.Mapper.RESTMapping(id.GroupKind())
		if err != nil {
			continue
		}
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(m.GroupVersionKind)
		u.SetNamespace(id.Namespace)
		u.SetName(id.Name)
		unknown = append(unknown, u)
	}
	if err := in.live.Watch(ctx, unknown); err != nil {
		return nil, err
	}
	var out []judge.Health
	for _, id := range ids {
		if live, ok := in.live.Get(id); ok {
			out = append(out, judge.Health{ID: id, State: health.Progressing, Reason: holds(live)})
		}
	}
	return out, nil
}

// AnyExists reports whether any of some objects is in the cluster.
func (in *Inspector) AnyExists(ctx context.Context, objects []manifest.Object) (bool, error) {
	for _, o := range objects {
		live, err := in.live.GetOrRead(ctx, in.client.Served(o.Unstructured))
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
