package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// Outgoing returns the deletions of what hooks made that a release does not have any more,
// as far as it is there and the release's. What Helm made with them bears no name of a
// release, and stays, as with Helm.
func Outgoing(ctx context.Context, c *Cluster, rel plan.Owner, hooks []manifest.Hook, coming plan.Coming) ([]plan.Change, error) {
	objects := make([]*unstructured.Unstructured, len(hooks))
	for i, h := range hooks {
		objects[i] = c.Served(h.Unstructured)
	}
	if err := c.Live.Watch(ctx, objects); err != nil {
		return nil, err
	}
	var out []plan.Change
	for _, u := range objects {
		live, err := c.Read(ctx, u)
		if err != nil {
			return nil, err
		}
		if live == nil {
			continue
		}
		if ch := plan.Pruned(rel, manifest.IDOf(u), live, coming); ch.Action == plan.Delete {
			out = append(out, ch)
		}
	}
	return out, nil
}
