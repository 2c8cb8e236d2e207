package inspect

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// OwnDefinitions returns those of a release's CRDs whose drift the release has to correct:
// those that are gone, and those that it was the last to write. Several releases may have the
// same CRD in different versions; if all of them corrected it, they would fight.
func (in *Inspector) OwnDefinitions(ctx context.Context, rel plan.Owner, definitions []manifest.Object) ([]manifest.Object, error) {
	var watched []*unstructured.Unstructured
	for _, o := range definitions {
		watched = append(watched, o.Unstructured)
	}
	if err := in.live.Watch(ctx, watched); err != nil {
		return nil, err
	}
	var out []manifest.Object
	for _, o := range definitions {
		live, err := in.live.GetOrRead(ctx, o.Unstructured)
		if err != nil {
			return nil, err
		}
		if live == nil || rel.Owns(live) && live.GetLabels()[ownership.LabelEnvironment] == rel.Environment {
			out = append(out, o)
		}
	}
	return out, nil
}
