package agent

import (
	"context"
	"slices"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// describe finds out which objects the job is about.
func (e *environment) describe(ctx context.Context, j *job) error {
	var err error
	switch j.decision.Act {
	case Install, Upgrade:
		j.release, err = e.render(ctx, j)
	case Rollback:
		j.release, err = e.recorded(ctx, j.decision.To)
	case Resume:
		j.release, err = e.interrupted(ctx, j)
	case Uninstall:
		j.release = &manifest.Release{Name: j.key.name, Namespace: j.key.namespace}
	default:
		j.release, err = e.current(ctx, j)
	}
	if err != nil || j.release == nil {
		return err
	}
	j.mark()
	if c := j.state.History.Current(); !j.changes() && e.trusting && c != nil {
		e.cluster.Trust(j.want, c.Left)
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

// recorded returns the release that a record keeps.
func (e *environment) recorded(ctx context.Context, r *record.Record) (*manifest.Release, error) {
	if err := e.cluster.Records.Load(ctx, r); err != nil {
		return nil, err
	}
	defer r.Forget()
	return r.Manifest(e.cluster.Namespaced)
}

// interrupted returns what a rollout that was cut off was about. Its record does
// not keep the chart's CRDs; the chart itself does.
func (e *environment) interrupted(ctx context.Context, j *job) (*manifest.Release, error) {
	p := j.state.History.Pending()
	if j.prepared == nil || j.prepared.Digest != p.Digest {
		return e.recorded(ctx, p)
	}
	crds, err := e.agent.renderer.CRDs(ctx, j.prepared, e.cluster.Namespaced)
	if err != nil {
		return nil, err
	}
	if err := e.cluster.Records.Load(ctx, p); err != nil {
		return nil, err
	}
	defer p.Forget()
	rel, err := p.Manifest(manifest.Define(crds).Scope(e.cluster.Namespaced))
	if err == nil {
		rel.CRDs = crds
	}
	return rel, err
}

// current returns what an unchanged release is held to, if there is reason to
// look at it: it was not surveyed yet, one of its objects was touched, or drift
// was found that could not be put back then.
func (e *environment) current(ctx context.Context, j *job) (*manifest.Release, error) {
	c := j.state.History.Current()
	if c == nil || c != j.state.History.Last() || !c.Ours() {
		return nil, nil
	}
	h := e.heldOf(j.key)
	if h != nil && !h.stale && h.revision == c.Revision && !e.touched(h) && (len(h.drift) == 0 || !j.state.Correct || j.state.Paused != "") {
		return nil, nil
	}
	return e.recorded(ctx, c)
}

func (e *environment) heldOf(key releaseKey) *held {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.held[key]
}

// hold remembers what a release was found to be; nil to have it surveyed anew.
func (e *environment) hold(key releaseKey, h *held) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h == nil {
		delete(e.held, key)
		return
	}
	e.held[key] = h
}

func (e *environment) touched(h *held) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(h.ids, func(id manifest.ID) bool { return e.dirty[id] })
}

// inventory returns every object that the release may have in the cluster.
func (e *environment) inventory(ctx context.Context, j *job) ([]manifest.Object, error) {
	intended := j.state.History.Intended()
	if len(intended) == 1 && intended[0] == j.state.History.Current() && !j.changes() {
		return slices.Clone(j.release.Objects), nil // it is held to what it has
	}
	var out []manifest.Object
	for _, r := range intended {
		rel, err := e.recorded(ctx, r)
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
		IsUpgrade:    j.decision.Act == Upgrade,
		Namespaced:   e.cluster.Namespaced,
		Installs:     true,
		Coming:       j.coming(),
	})
}
