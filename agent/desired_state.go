package agent

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/plan"
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
	j.owner.Back = j.decision.Behind && (j.owner.Rollback || !j.changes())
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
	j.lasting = idsOf(slices.DeleteFunc(slices.Clone(j.want), func(o manifest.Object) bool { return plan.Fleeting(o.Unstructured) }))
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
		err = r.Trusted()
	}
	if err != nil {
		return nil, err
	}
	rel.CRDs = crds
	return rel, nil
}

// manifestOf returns what a record itself keeps of its release.
func (e *environment) manifestOf(ctx context.Context, r *record.Record, scope manifest.Scope) (*manifest.Release, error) {
	lock := e.histories.readingOf(releaseKey{r.Namespace, r.Name})
	lock.Lock() // others may ask what the release lists
	defer lock.Unlock()
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
	if c == nil || !c.Ours() || c.Environment != e.name {
		return nil, nil // it is not ours to keep
	}
	h := e.baselines.heldOf(j.key)
	if h != nil && !h.stale && h.foundBy(termsOf(j.owner)) && h.revision == c.Revision && !e.inbox.touched(h.ids) && (len(h.drift) == 0 || !j.state.Corrects() || j.state.Paused != "") {
		return nil, nil
	}
	rel, err := e.recorded(ctx, j, c)
	if err == nil && len(rel.CRDs) > 0 {
		rel.CRDs, err = e.cluster.Held(ctx, j.owner, rel.CRDs)
	}
	return rel, err
}

// inventory returns every object that the release may have in the cluster, and the hooks that
// may have made more.
func (e *environment) inventory(ctx context.Context, j *job) (objects []manifest.Object, made []formerHook, err error) {
	if !j.changes() {
		return slices.Clone(j.release.Objects), nil, nil // it is held to what it has
	}
	out := slices.Concat(j.remains, e.undeleted(j))
	j.owner.Since = nil
	for _, r := range j.state.History.Intended() {
		rel, err := e.manifestOf(ctx, r, e.cluster.Namespaced)
		if record.Unreadable(err) {
			continue // the release goes on without it
		}
		if err != nil {
			return nil, nil, err
		}
		out = append(out, rel.Objects...)
		j.startedBefore(r, rel.Objects)
		j.startedBefore(r, hookObjects(rel.Hooks))
		for _, h := range rel.Hooks {
			made = append(made, formerHook{h, cmp.Or(r.FirstRevision, r.Revision)})
		}
	}
	hooks := hookIDs(j.release.Hooks)
	return slices.DeleteFunc(out, func(o manifest.Object) bool { return hooks[o.ID()] }), made, nil // a hook's from now on
}

// startedBefore takes down, for a job that goes back after a failure, when each object was
// first brought by a rollout after what it goes back to.
func (j *job) startedBefore(r *record.Record, objects []manifest.Object) {
	if !j.automatic() || r.Outcome == record.Good || r.Action == record.Rollback {
		return
	}
	if j.owner.Since == nil {
		j.owner.Since = map[manifest.ID]time.Time{}
	}
	for _, o := range objects {
		if _, known := j.owner.Since[o.ID()]; !known {
			j.owner.Since[o.ID()] = r.Begun()
		}
	}
}

func (e *environment) render(ctx context.Context, j *job) (*manifest.Release, error) {
	opts, err := renderOptions(e, j)
	if err != nil {
		return nil, err
	}
	opts.Lookup, opts.Revision, opts.IsUpgrade = e.cluster.Lookup(ctx), j.state.History.Next(), j.decision.Act == decide.Upgrade
	return e.renderer.Render(ctx, j.prepared, opts)
}

func renderOptions(e *environment, j *job) (render.Options, error) {
	caps, err := e.cluster.Capabilities()
	if err != nil {
		return render.Options{}, err
	}
	return render.Options{
		Capabilities: &render.Capabilities{KubeVersion: caps.KubeVersion, APIVersions: caps.APIVersions},
		Namespaced:   e.cluster.Namespaced,
		Installs:     true,
		Coming:       j.coming(),
	}, nil
}

// formerHook is a hook of a former rollout of a release, and the revision that brought it
// first: what went back to a content, or forward to it again, made nothing anew.
type formerHook struct {
	manifest.Hook
	revision int
}

// outgoing returns the deletions of what hooks of a release made and what it brings about
// has no more. What hooks of its uninstall made is the trace of that, and stays.
func outgoing(ctx context.Context, e *environment, j *job, former []formerHook, coming plan.Coming) ([]plan.Change, error) {
	if !j.changes() {
		return nil, nil // it is held to what it has
	}
	has := hookIDs(j.release.Hooks)
	for _, id := range j.ids {
		has[id] = true
	}
	since := j.state.History.First(j.release.Digest)
	var sure, doubtful []manifest.Hook
	for _, h := range slices.Backward(former) {
		uninstalls := slices.Contains(h.Events, plan.PreDelete) || slices.Contains(h.Events, plan.PostDelete)
		switch {
		case has[h.ID()]:
			continue
		case j.decision.Act == decide.Uninstall && uninstalls:
			continue
		case j.decision.Act == decide.Uninstall || h.ID().RunsToEnd() || since > 0 && h.revision > since:
			sure = append(sure, h.Hook)
		default:
			doubtful = append(doubtful, h.Hook)
		}
		has[h.ID()] = true // each once
	}
	out, err := apply.Outgoing(ctx, e.cluster, j.owner, sure, coming)
	if err != nil || len(doubtful) == 0 {
		return out, err
	}
	leaves, err := apply.Outgoing(ctx, e.cluster, j.owner, doubtful, coming)
	if err != nil || len(leaves) == 0 {
		return out, err
	}
	brings, known, err := wouldBring(ctx, e, j)
	if err != nil || !known {
		return out, err
	}
	return append(out, slices.DeleteFunc(leaves, func(c plan.Change) bool { return brings[c.ID] })...), nil
}

// wouldBring returns what hooks a chart has where nothing is there yet, at an install and
// at an upgrade. Charts make what is to be made once, a password above all, by a hook that
// they render at the install only, or only while a lookup does not find it: that such a
// hook is not rendered does not say that it left the chart. It is not known of a release
// that is not rendered, or can't be so.
func wouldBring(ctx context.Context, e *environment, j *job) (brings map[manifest.ID]bool, known bool, err error) {
	if j.prepared == nil || j.prepared.Digest != j.release.Digest {
		return nil, false, nil
	}
	opts, err := renderOptions(e, j)
	if err != nil {
		return nil, false, err
	}
	opts.Aside, opts.Revision = true, 1
	brings = map[manifest.ID]bool{}
	for _, upgrade := range []bool{false, true} {
		opts.IsUpgrade = upgrade
		rel, err := e.renderer.Render(ctx, j.prepared, opts)
		if err != nil {
			return nil, false, ctx.Err()
		}
		for id := range hookIDs(rel.Hooks) {
			brings[id] = true
		}
	}
	return brings, true, nil
}

func hookObjects(hooks []manifest.Hook) []manifest.Object {
	out := make([]manifest.Object, len(hooks))
	for i, h := range hooks {
		out[i] = h.Object
	}
	return out
}

func hookIDs(hooks []manifest.Hook) map[manifest.ID]bool {
	out := make(map[manifest.ID]bool, len(hooks))
	for _, h := range hooks {
		out[h.ID()] = true
	}
	return out
}
