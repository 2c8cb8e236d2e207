package agent

import (
	"context"
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// describe finds out which objects the job is about. When a record that it was decided
// by turns out to be gone, or damaged, it is decided anew without it.
func (e *environment) describe(ctx context.Context, j *job) error {
	err := e.describeOnce(ctx, j)
	for n := len(j.state.History); n > 0 && record.Unreadable(err); n-- {
		j.release = nil
		j.decide()
		err = e.describeOnce(ctx, j)
	}
	return err
}

func (e *environment) describeOnce(ctx context.Context, j *job) error {
	var err error
	pending := j.state.History.Pending()
	j.owner.Rollback = j.decision.Act == decide.Rollback || j.decision.Act == decide.Resume && pending != nil && pending.Action == record.Rollback
	switch j.decision.Act {
	case decide.Install, decide.Upgrade:
		j.release, err = e.next(ctx, j)
	case decide.Rollback:
		j.release, err = e.recorded(ctx, j, j.decision.To)
	case decide.Resume:
		j.release, err = e.recorded(ctx, j, j.state.History.Pending())
	case decide.Uninstall:
		j.release = &manifest.Release{Name: j.key.name, Namespace: j.key.namespace}
	default:
		j.release, err = e.current(ctx, j)
	}
	if err != nil || j.release == nil {
		return err
	}
	j.mark()
	if c := j.state.History.Settled(); !j.changes() && e.baselines.trust() && c != nil {
		n := len(j.release.CRDs)
		e.cluster.Trust(slices.Concat(j.want[n:], j.want[:n]), c.Left)
	}
	return nil
}

// mark sets what the job's release is applied as.
func (j *job) mark() {
	j.want = j.owner.Mark(slices.Concat(j.release.CRDs, j.release.Objects))
	j.ids = idsOf(j.want)
	j.lasting = idsOf(slices.DeleteFunc(slices.Clone(j.want), func(o manifest.Object) bool { return apply.Fleeting(o.Unstructured) }))
}

// slim lets go of the objects of a release that is to change, but for those that its
// plan changes: the text of its manifest has them all, and a thousand releases wait
// for their turn at once.
func (j *job) slim() {
	if j.changes() && j.release != nil {
		j.want, j.release.Objects = nil, nil
		j.plan = j.plan.Slim()
	}
}

// flesh reads the objects that slim let go of.
func (e *environment) flesh(j *job) error {
	if j.want != nil || j.release.Manifest == "" && len(j.release.CRDs) == 0 {
		return nil
	}
	var err error
	if j.release.Objects, err = manifest.Parse(j.release.Manifest, j.release.Namespace, manifest.Define(j.release.CRDs).Scope(e.cluster.Namespaced)); err == nil {
		j.mark()
	}
	return err
}

// next returns what a release is to become: what ran with the same inputs before, if
// there is a record of it, or else what they render to.
func (e *environment) next(ctx context.Context, j *job) (*manifest.Release, error) {
	if j.decision.To == nil {
		return e.render(ctx, j)
	}
	return e.recorded(ctx, j, j.decision.To)
}

// recorded returns the release that a record keeps. A record does not keep the chart's
// CRDs: the chart itself does, where the record is of the inputs that git asks for.
func (e *environment) recorded(ctx context.Context, j *job, r *record.Record) (*manifest.Release, error) {
	crds, err := e.definitions(ctx, j, r)
	if err != nil {
		return nil, err
	}
	rel, err := e.manifestOf(ctx, r, manifest.Define(crds).Scope(e.cluster.Namespaced))
	if err == nil {
		rel.CRDs = crds
	}
	return rel, err
}

// manifestOf returns what a record itself keeps of its release.
func (e *environment) manifestOf(ctx context.Context, r *record.Record, scope manifest.Scope) (*manifest.Release, error) {
	if err := e.cluster.Records.Load(ctx, r); err != nil {
		return nil, err
	}
	defer r.Forget()
	return r.Manifest(scope)
}

// definitions returns the CRDs of a record's chart, as far as they are known.
func (e *environment) definitions(ctx context.Context, j *job, r *record.Record) ([]manifest.Object, error) {
	if j.prepared == nil || j.prepared.Digest != r.Digest {
		return nil, nil
	}
	return e.agent.renderer.CRDs(ctx, j.prepared, e.cluster.Namespaced)
}

// current returns what an unchanged release is held to, if there is reason to
// look at it: it was not surveyed yet, one of its objects was touched, or drift
// was found that could not be put back then. What failed and is live is looked at as well:
// what of it is not as it was applied is told.
func (e *environment) current(ctx context.Context, j *job) (*manifest.Release, error) {
	c := j.state.History.Settled()
	if c == nil || !c.Ours() {
		return nil, nil
	}
	h := e.baselines.heldOf(j.key)
	if h != nil && !h.stale && h.revision == c.Revision && !e.inbox.touched(h.ids) && (len(h.drift) == 0 || !j.state.Corrects() || j.state.Paused != "") {
		return nil, nil
	}
	rel, err := e.recorded(ctx, j, c)
	if err == nil && len(rel.CRDs) > 0 {
		rel.CRDs, err = e.cluster.Held(ctx, j.owner, rel.CRDs)
	}
	return rel, err
}

// inventory returns every object that the release may have in the cluster.
func (e *environment) inventory(ctx context.Context, j *job) ([]manifest.Object, error) {
	if !j.changes() {
		return slices.Clone(j.release.Objects), nil // it is held to what it has
	}
	out := slices.Concat(j.remains, e.undeleted(j))
	for _, r := range j.state.History.Intended() {
		rel, err := e.manifestOf(ctx, r, e.cluster.Namespaced)
		if err != nil {
			return nil, err
		}
		out = append(out, rel.Objects...)
	}
	return out, nil
}

func (e *environment) render(ctx context.Context, j *job) (*manifest.Release, error) {
	caps, err := e.cluster.Capabilities()
	if err != nil {
		return nil, err
	}
	return e.renderer.Render(ctx, j.prepared, render.Options{
		Capabilities: &render.Capabilities{KubeVersion: caps.KubeVersion, APIVersions: caps.APIVersions},
		Lookup:       e.cluster.Lookup(ctx),
		Revision:     j.state.History.Next(),
		IsUpgrade:    j.decision.Act == decide.Upgrade,
		Namespaced:   e.cluster.Namespaced,
		Installs:     true,
		Coming:       j.coming(),
	})
}
