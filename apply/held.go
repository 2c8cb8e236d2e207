package apply

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// Held returns those of a release's definitions that the release has to keep as they are:
// those that are gone, and those that it was the last to write. Several releases may bring
// the same CRD, each in a version of its own; if all of them held it, they would fight.
func (c *Cluster) Held(ctx context.Context, rel plan.Owner, definitions []manifest.Object) ([]manifest.Object, error) {
	var watched []*unstructured.Unstructured
	for _, o := range definitions {
		watched = append(watched, o.Unstructured)
	}
	if err := c.Live.Watch(ctx, watched); err != nil {
		return nil, err
	}
	var out []manifest.Object
	for _, o := range definitions {
		live, err := c.look(ctx, o.Unstructured)
		if err != nil {
			return nil, err
		}
		if live == nil || rel.Owns(live) && live.GetLabels()[ownership.LabelEnvironment] == rel.Environment {
			out = append(out, o)
		}
	}
	return out, nil
}
