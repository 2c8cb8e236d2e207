package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

// RunsToEnd reports whether a hook ends by itself, and is a trace of its run from then on.
// What others make lasts.
func RunsToEnd(h manifest.Hook) bool { return runsToEnd(h.ID()) }

// Outgoing returns the deletions of what hooks made that a release does not have any more,
// as far as it is there and the release's. What Helm made with them bears no name of a
// release, and stays, as with Helm.
func Outgoing(ctx context.Context, c *Cluster, rel Owner, hooks []manifest.Hook, coming Coming) ([]Change, error) {
	objects := make([]*unstructured.Unstructured, len(hooks))
	for i, h := range hooks {
		objects[i] = c.served(h.Unstructured)
	}
	if err := c.Live.Watch(ctx, objects); err != nil {
		return nil, err
	}
	var out []Change
	for _, u := range objects {
		live, err := c.read(ctx, u)
		if err != nil {
			return nil, err
		}
		if live == nil {
			continue
		}
		if ch := pruned(rel, manifest.IDOf(u), live, coming); ch.Action == Delete {
			out = append(out, ch)
		}
	}
	return out, nil
}

// With is the plan with further changes.
func (p Plan) With(changes ...Change) Plan {
	p.Changes = append(p.Changes[:len(p.Changes):len(p.Changes)], changes...)
	return p
}
