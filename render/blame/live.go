package blame

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// LiveField is a field of a live object that is not as it is rendered.
type LiveField struct {
	Object string `json:"object"`
	Path   string `json:"path"`
	// Want and Have are JSON, shortened; (absent) is no value, *** is secret.
	Want string `json:"want"`
	Have string `json:"have"`
	// How is drift, added (beside what is rendered) or default (made by the cluster).
	How string `json:"how"`
	// Manager wrote it, at Since, to the second; empty for what nobody owns.
	Manager string    `json:"manager,omitempty"`
	Since   time.Time `json:"since,omitzero"`
}

// How a live field differs.
const (
	Drifted = "drift"
	Added   = "added"
	Default = "default"
)

const absent = "(absent)"

// Live compares objects of a release, all if none are named, as read returns them (nil for
// one that is not there), with what they render to. What no manager owns is made by
// the cluster.
func (b *Blamer) Live(ctx context.Context, head *Commit, environment, release string, objects []string, read func(manifest.Object) (*unstructured.Unstructured, error)) ([]LiveField, error) {
	p, rel, err := b.rendered(ctx, head, environment, release)
	if err != nil {
		return nil, err
	}
	var out []LiveField
	for _, o := range rel.Objects {
		name := o.ID().String()
		if len(objects) > 0 && !slices.Contains(objects, name) {
			continue
		}
		live, err := read(o)
		if err != nil {
			return nil, p.Hide(err)
		}
		if live == nil {
			out = append(out, LiveField{Object: name, Want: "(present)", Have: absent, How: Drifted})
			continue
		}
		out = append(out, compare(p, name, o, live)...)
	}
	return out, nil
}

func compare(p render.Inspection, name string, o manifest.Object, live *unstructured.Unstructured) []LiveField {
	var out []LiveField
	for _, f := range drift.Compare(live, withMaps(o.Unstructured)) {
		if f.Manager == ownership.FieldManager && f.Want == absent {
			continue // the agent's own labels, and what it applied of another commit
		}
		one := LiveField{Object: name, Path: f.Path, Want: f.Want, Have: f.Have, How: Drifted, Manager: f.Manager, Since: f.Since.UTC()}
		switch {
		case f.Want != absent:
		case f.Manager == "":
			one.How = Default
		default:
			one.How = Added
		}
		p.MaskDrift(&one.Want, &one.Have)
		out = append(out, one)
	}
	return out
}

// withMaps returns an object that has labels and annotations, if only none: each key is somebody's
// own, and is told by itself.
func withMaps(u *unstructured.Unstructured) *unstructured.Unstructured {
	out := u.DeepCopy()
	for _, name := range []string{"labels", "annotations"} {
		if _, there, err := unstructured.NestedFieldNoCopy(out.Object, "metadata", name); !there && err == nil {
			_ = unstructured.SetNestedMap(out.Object, map[string]any{}, "metadata", name) // metadata is a map: it has a name
		}
	}
	return out
}

// LiveObject is Live for one object that was read, with what hides secrets in any text about
// the release.
func (b *Blamer) LiveObject(ctx context.Context, head *Commit, environment, release, object string, live *unstructured.Unstructured) ([]LiveField, func(string) string, error) {
	p, rel, err := b.rendered(ctx, head, environment, release)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range rel.Objects {
		if o.ID().String() == object {
			return compare(p, object, o, live), p.Mask, nil
		}
	}
	return nil, p.Mask, nil // a hook is not held to what it was
}
