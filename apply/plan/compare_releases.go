package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// CompareReleases plans the change from one rendered release to another without a cluster: it
// does not know what is live, nor what the API server defaults or refuses. Objects that stay
// the same are left out. Either release may be nil.
func CompareReleases(from, to *manifest.Release) Plan {
	var p Plan
	before, after := contentsOf(from), contentsOf(to)
	for _, r := range []*manifest.Release{from, to} {
		if r != nil {
			p.Release, p.Namespace = r.Name, r.Namespace
		}
	}
	for _, o := range after.objects {
		c := Change{ID: o.ID(), Stage: StageOf(o.ID().GroupKind()), Object: o.Unstructured, Live: manifest.Find(before.objects, o.ID()), Why: after.why[o.ID()], flags: flags{hook: after.why[o.ID()] != ""}}
		c.Action = Create
		if c.Live != nil {
			c.Action, c.Drift = Update, drift.Compare(c.Live, c.Object)
		}
		if c.Live == nil || len(c.Drift) > 0 {
			p.Changes = append(p.Changes, c)
		}
	}
	for _, o := range before.objects {
		if manifest.Find(after.objects, o.ID()) == nil {
			c := pruneChange(o.ID(), o.Unstructured, true)
			if hook := before.why[o.ID()]; hook != "" {
				c.Why, c.hook = hook, true
			}
			p.Changes = append(p.Changes, c)
		}
	}
	slices.SortStableFunc(p.Changes, func(a, b Change) int { return int(a.Stage) - int(b.Stage) })
	return p
}

// contents are all objects of a release, and what is to be said of some.
type contents struct {
	objects []manifest.Object
	why     map[manifest.ID]string
}

func contentsOf(r *manifest.Release) contents {
	c := contents{why: map[manifest.ID]string{}}
	if r == nil {
		return c
	}
	c.objects = slices.Concat(r.CRDs, r.Objects)
	for _, h := range r.Hooks {
		c.objects = append(c.objects, h.Object)
		c.why[h.ID()] = fmt.Sprintf("hook %s", strings.Join(h.Events, ", "))
	}
	return c
}
