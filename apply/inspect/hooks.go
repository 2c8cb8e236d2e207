package inspect

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// HookDeletions returns the deletions of objects that were created by hooks which a release no
// longer has, if they exist and belong to the release. Objects of hooks that Helm created do
// not name a release, and stay, as with Helm.
func (in *Inspector) HookDeletions(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, provisions plan.Provisions) ([]plan.Change, error) {
	objects := make([]*unstructured.Unstructured, len(hooks))
	for i, h := range hooks {
		objects[i] = in.client.Served(h.Unstructured)
	}
	if err := in.live.Watch(ctx, objects); err != nil {
		return nil, err
	}
	var out []plan.Change
	for _, u := range objects {
		live, err := in.client.Read(ctx, u)
		if err != nil {
			return nil, err
		}
		if live == nil {
			continue
		}
		if ch := plan.Pruned(rel, manifest.IDOf(u), live, provisions); ch.Action == plan.Delete {
			out = append(out, ch)
		}
	}
	return out, nil
}
