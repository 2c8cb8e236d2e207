package assess

import (
	"context"
	"io/fs"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// Edited is an object of a release that others than the agent changed.
type Edited struct {
	Release string
	ID      manifest.ID
	// Live is the object as it is; nil if it was deleted.
	Live *unstructured.Unstructured
	// Fields are those that differ from what is wanted, and those that people's tools added.
	Fields []drift.Field
}

// Edits lists what others changed of what a tree of the repository asks for: drift, and
// fields beside it. What the agent has not brought to the cluster yet is no edit. It sends
// dry-runs and writes nothing.
func Edits(ctx context.Context, c *apply.Cluster, config render.Config, files fs.FS, namespace string, keys Keys) ([]Edited, error) {
	a, jobs, _, err := previewed(ctx, c, config, files, namespace, keys)
	if err != nil {
		return nil, err
	}
	var out []Edited
	for _, j := range jobs {
		if j.Err != nil {
			return nil, j.Err
		}
		applied, err := a.applied(ctx, j)
		if err != nil {
			return nil, err
		}
		for _, c := range j.Plan.Changes {
			if c.Object == nil || c.Action == plan.Create && applied[c.ID] == nil {
				continue // it goes, or has not come yet
			}
			if c.Live == nil && c.Action != plan.Create { // the plan of a rollout does without
				if c.Live, err = a.Cluster.Inspector.Read(ctx, c.Object); err != nil {
					return nil, err
				}
			}
			one := Edited{Release: j.Spec.Name, ID: c.ID, Live: c.Live, Fields: slices.Clone(c.Foreign)}
			if c.Action == plan.Refused { // it can't be put back
				one.Fields = append(one.Fields, j.Owner.Uncorrected(c)...)
			}
			for _, f := range c.Drift {
				if byHand(f, j.Changes(), c.Live, applied[c.ID]) {
					one.Fields = append(one.Fields, f)
				}
			}
			if c.Live == nil || len(one.Fields) > 0 {
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// byHand reports whether a field that differs was changed by others. Of a release that git
// asks other things of than it has, what nobody owns was taken away if it had been applied.
func byHand(f drift.Field, changes bool, live, applied *unstructured.Unstructured) bool {
	switch {
	case f.Manager == ownership.FieldManager:
		return false
	case f.Manager != "" || !changes:
		return true
	case applied == nil || live == nil:
		return false
	}
	for _, was := range drift.Compare(live, applied) {
		if was.Path == f.Path && was.Want != "(absent)" {
			return true
		}
	}
	return false
}

// applied are the objects of a release as they were applied last.
func (a *Assessor) applied(ctx context.Context, j *Release) (map[manifest.ID]*unstructured.Unstructured, error) {
	out := map[manifest.ID]*unstructured.Unstructured{}
	r := j.State.History.Settled()
	if r == nil || !r.Ours() {
		return out, nil
	}
	rel, err := a.ManifestOf(ctx, r, a.Cluster.Namespaced)
	if err != nil {
		return nil, err
	}
	for _, o := range rel.Objects {
		out[o.ID()] = o.Unstructured
	}
	return out, nil
}
