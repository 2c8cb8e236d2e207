package assess

import (
	"cmp"
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// Surveyor finds out what a release is to become, and what that would change.
type Surveyor struct {
	*Site
	Confirmed string                  // the commit whose deletions somebody confirmed
	Rolling   func(observed.Key) bool // a release is in the middle of a rollout
}

// Describe finds out which objects the job is about. When a record that it was decided
// by turns out to be gone, or damaged, it is decided anew without it.
func (a *Surveyor) Describe(ctx context.Context, j *Release) error {
	err := a.describeOnce(ctx, j)
	for n := len(j.State.History); n > 0 && record.Unreadable(err); n-- {
		j.Manifest, j.State.History = nil, record.SetAside(j.State.History, err)
		j.decide()
		err = a.describeOnce(ctx, j)
	}
	return err
}

func (a *Surveyor) describeOnce(ctx context.Context, j *Release) error {
	var err error
	pending := j.State.History.Pending()
	j.Owner.Rollback = j.Decision.Act == decide.Rollback || j.Decision.Act == decide.Resume && pending != nil && pending.Action == record.Rollback
	j.Owner.Back = j.Decision.Behind && (j.Owner.Rollback || !j.Changes())
	switch j.Decision.Act {
	case decide.Install, decide.Upgrade:
		j.Manifest, err = a.next(ctx, j)
	case decide.Rollback:
		j.Manifest, err = a.recorded(ctx, j, j.Decision.To)
	case decide.Resume:
		j.Manifest, err = a.recorded(ctx, j, j.State.History.Pending())
	case decide.Uninstall:
		j.Manifest = &manifest.Release{Name: j.Key.Name, Namespace: j.Key.Namespace}
	default:
		j.Manifest, err = a.current(ctx, j)
	}
	if err != nil || j.Manifest == nil {
		return err
	}
	j.setOwner()
	if c := j.State.History.Settled(); !j.Changes() && a.Observed.Baselines.RecordsTrusted() && c != nil {
		n := len(j.Manifest.CRDs)
		a.Cluster.Live.Placements.Trust(slices.Concat(j.want[n:], j.want[:n]), c.Left)
	}
	return nil
}

// setOwner sets what the job's release is applied as.
func (j *Release) setOwner() {
	j.want = j.Owner.Mark(slices.Concat(j.Manifest.CRDs, j.Manifest.Objects))
	j.IDs = IDsOf(j.want)
	j.Lasting = IDsOf(slices.DeleteFunc(slices.Clone(j.want), func(o manifest.Object) bool { return plan.ExpiresWhenFinished(o.Unstructured) }))
}

// slim lets go of the objects of a release that is to change, but for those that its
// plan changes: the text of its manifest has them all, and a thousand releases wait
// for their turn at once.
func (j *Release) slim() {
	if j.Changes() && j.Manifest != nil {
		j.want, j.Manifest.Objects = nil, nil
		j.Plan = j.Plan.Slim()
	}
}

// Reload reads the objects that slim let go of.
func (a *Surveyor) Reload(j *Release) error {
	if j.want != nil || j.Manifest.Manifest == "" && len(j.Manifest.CRDs) == 0 {
		return nil
	}
	var err error
	if j.Manifest.Objects, err = manifest.Parse(j.Manifest.Manifest, j.Manifest.Namespace, manifest.Define(j.Manifest.CRDs).Scope(a.Cluster.Namespaced)); err == nil {
		j.setOwner()
	}
	return err
}

// next returns what a release is to become: what ran with the same inputs before, if
// there is a record of it, or else what they render to.
func (a *Surveyor) next(ctx context.Context, j *Release) (*manifest.Release, error) {
	if j.Decision.To == nil {
		return a.render(ctx, j)
	}
	return a.recorded(ctx, j, j.Decision.To)
}

// recorded returns the release that a record keeps. A record does not keep the chart's
// CRDs: the chart itself does, where the record is of the inputs that git asks for.
func (a *Surveyor) recorded(ctx context.Context, j *Release, r *record.Record) (*manifest.Release, error) {
	crds, err := a.definitions(ctx, j, r)
	if err != nil {
		return nil, err
	}
	rel, err := a.read(ctx, r, manifest.Define(crds).Scope(a.Cluster.Namespaced), (*record.Record).Trusted)
	if err != nil {
		return nil, err
	}
	rel.CRDs = crds
	return rel, nil
}

// ManifestOf returns what a record itself keeps of its release. The record stays as it is,
// since others look at it: one that turns out to be gone or damaged is set aside in what is
// observed, and by record.SetAside in what the caller has.
func (a *Surveyor) ManifestOf(ctx context.Context, r *record.Record, scope manifest.Scope) (*manifest.Release, error) {
	return a.read(ctx, r, scope, func(*record.Record) error { return nil })
}

// read is ManifestOf of a record that is good enough.
func (a *Surveyor) read(ctx context.Context, r *record.Record, scope manifest.Scope, goodEnough func(*record.Record) error) (*manifest.Release, error) {
	own := record.Copy(record.History{r})[0]
	err := a.Cluster.Records.Load(ctx, own)
	var rel *manifest.Release
	if err == nil {
		rel, err = own.Manifest(scope)
	}
	if err == nil {
		err = goodEnough(own)
	}
	if err != nil {
		a.Observed.Histories.SetAside(observed.Key{Namespace: r.Namespace, Name: r.Name}, err)
		return nil, err
	}
	return rel, nil
}

// definitions returns the CRDs of a record's chart, as far as they are known.
func (a *Surveyor) definitions(ctx context.Context, j *Release, r *record.Record) ([]manifest.Object, error) {
	if j.Prepared == nil || j.Prepared.Digest != r.Digest {
		return nil, nil
	}
	return a.Renderer.CRDs(ctx, j.Prepared, a.Cluster.Namespaced)
}

// current returns what an unchanged release is held to, if there is reason to
// look at it: it was not surveyed yet, one of its objects was touched, or drift
// was found that could not be put back then. What failed and is live is looked at as well:
// what of it is not as it was applied is told.
func (a *Surveyor) current(ctx context.Context, j *Release) (*manifest.Release, error) {
	c := j.State.History.Settled()
	if c == nil || !c.Ours() || c.Environment != a.Environment {
		return nil, nil // it is not ours to keep
	}
	h := a.Observed.Baselines.Of(j.Key)
	if h != nil && !h.Stale && h.FoundBy(observed.TermsOf(j.Owner)) && h.Revision == c.Revision && !a.Observed.Touched.Any(h.IDs) && (len(h.Drift) == 0 || !j.State.Corrects() || j.State.Paused != "") {
		return nil, nil
	}
	rel, err := a.recorded(ctx, j, c)
	if err == nil && len(rel.CRDs) > 0 {
		rel.CRDs, err = a.Cluster.Inspector.OwnDefinitions(ctx, j.Owner, rel.CRDs)
	}
	return rel, err
}

// inventory returns every object that the release may have in the cluster, and the hooks that
// may have made more.
func (a *Surveyor) inventory(ctx context.Context, j *Release) (objects []manifest.Object, made []formerHook, err error) {
	j.Owner.Had = nil
	if !j.Changes() {
		j.hadApplied(j.Manifest.Objects)
		return slices.Clone(j.Manifest.Objects), nil, nil // it is held to what it has
	}
	out := slices.Concat(j.unrecorded, a.undeleted(j))
	j.Owner.Since = nil
	for _, r := range j.State.History.Intended() {
		rel, err := a.ManifestOf(ctx, r, a.Cluster.Namespaced)
		if record.Unreadable(err) {
			j.State.History = record.SetAside(j.State.History, err)
			continue // the release goes on without it
		}
		if err != nil {
			return nil, nil, err
		}
		out = append(out, rel.Objects...)
		if r.Ours() && r.Outcome == record.Good {
			j.hadApplied(rel.Objects)
		}
		j.startedBefore(r, rel.Objects)
		j.startedBefore(r, hookObjects(rel.Hooks))
		for _, h := range rel.Hooks {
			made = append(made, formerHook{h, cmp.Or(r.FirstRevision, r.Revision)})
		}
	}
	hooks := hookIDs(j.Manifest.Hooks)
	return slices.DeleteFunc(out, func(o manifest.Object) bool { return hooks[o.ID()] }), made, nil // a hook's from now on
}

// hadApplied takes down which objects a good rollout of the release applied.
func (j *Release) hadApplied(objects []manifest.Object) {
	if j.Owner.Had == nil {
		j.Owner.Had = make(map[manifest.ID]bool, len(objects))
	}
	for _, o := range objects {
		j.Owner.Had[o.ID()] = true
	}
}

// startedBefore takes down, for a job that goes back after a failure, when each object was
// first brought by a rollout after what it goes back to.
func (j *Release) startedBefore(r *record.Record, objects []manifest.Object) {
	if !j.automatic() || r.Outcome == record.Good || r.Action == record.Rollback {
		return
	}
	if j.Owner.Since == nil {
		j.Owner.Since = map[manifest.ID]time.Time{}
	}
	for _, o := range objects {
		if _, known := j.Owner.Since[o.ID()]; !known {
			j.Owner.Since[o.ID()] = r.Begun()
		}
	}
}

func (a *Surveyor) render(ctx context.Context, j *Release) (*manifest.Release, error) {
	opts, err := renderOptions(a, j)
	if err != nil {
		return nil, err
	}
	opts.Lookup, opts.Revision, opts.IsUpgrade = a.Cluster.Lookup(ctx), j.State.History.Next(), j.Decision.Act == decide.Upgrade
	return a.Renderer.Render(ctx, j.Prepared, opts)
}

func renderOptions(a *Surveyor, j *Release) (render.Options, error) {
	caps, err := a.Cluster.Capabilities()
	if err != nil {
		return render.Options{}, err
	}
	return render.Options{
		Capabilities: &render.Capabilities{KubeVersion: caps.KubeVersion, APIVersions: caps.APIVersions},
		Namespaced:   a.Cluster.Namespaced,
		Installs:     true,
		Defined:      j.dependencyCRDs(),
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
func outgoing(ctx context.Context, a *Surveyor, j *Release, former []formerHook, provisions plan.Provisions) ([]plan.Change, error) {
	if !j.Changes() {
		return nil, nil // it is held to what it has
	}
	has := hookIDs(j.Manifest.Hooks)
	for _, id := range j.IDs {
		has[id] = true
	}
	since := j.State.History.First(j.Manifest.Digest)
	var sure, doubtful []manifest.Hook
	for _, h := range slices.Backward(former) {
		uninstalls := slices.Contains(h.Events, plan.PreDelete) || slices.Contains(h.Events, plan.PostDelete)
		switch {
		case has[h.ID()]:
			continue
		case j.Decision.Act == decide.Uninstall && uninstalls:
			continue
		case j.Decision.Act == decide.Uninstall || h.ID().RunsToEnd() || since > 0 && h.revision > since:
			sure = append(sure, h.Hook)
		default:
			doubtful = append(doubtful, h.Hook)
		}
		has[h.ID()] = true // each once
	}
	out, err := a.Cluster.Inspector.HookDeletions(ctx, j.Owner, sure, provisions)
	if err != nil || len(doubtful) == 0 {
		return out, err
	}
	leaves, err := a.Cluster.Inspector.HookDeletions(ctx, j.Owner, doubtful, provisions)
	if err != nil || len(leaves) == 0 {
		return out, err
	}
	brings, known, err := broughtObjects(ctx, a, j)
	if err != nil || !known {
		return out, err
	}
	return append(out, slices.DeleteFunc(leaves, func(c plan.Change) bool { return brings[c.ID] })...), nil
}

// broughtObjects returns what hooks a chart has where nothing is there yet, at an install and
// at an upgrade. Charts make what is to be made once, a password above all, by a hook that
// they render at the install only, or only while a lookup does not find it: that such a
// hook is not rendered does not say that it left the chart. It is not known of a release
// that is not rendered, or can't be so.
func broughtObjects(ctx context.Context, a *Surveyor, j *Release) (brings map[manifest.ID]bool, known bool, err error) {
	if j.Prepared == nil || j.Prepared.Digest != j.Manifest.Digest {
		return nil, false, nil
	}
	opts, err := renderOptions(a, j)
	if err != nil {
		return nil, false, err
	}
	opts.Preview, opts.Revision = true, 1
	brings = map[manifest.ID]bool{}
	for _, upgrade := range []bool{false, true} {
		opts.IsUpgrade = upgrade
		rel, err := a.Renderer.Render(ctx, j.Prepared, opts)
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

// Drop lets go of what the job was about once it is done: what a thousand plans hold
// of the cluster is worth hundreds of megabytes.
func (j *Release) Drop() {
	j.Manifest, j.want, j.IDs, j.Lasting, j.Plan = nil, nil, nil, nil, plan.Plan{}
}

// undeleted returns what a former rollout was to delete and did not come to: the next one
// does. What only has to go away is not waited for again.
func (a *Surveyor) undeleted(j *Release) []manifest.Object {
	var out []manifest.Object
	for _, o := range j.Leaving {
		if live, ok := a.Cluster.Live.Get(manifest.ID(o)); ok && live.GetDeletionTimestamp() == nil {
			u := &unstructured.Unstructured{}
			u.SetGroupVersionKind(live.GroupVersionKind())
			u.SetNamespace(o.Namespace)
			u.SetName(o.Name)
			out = append(out, manifest.Object{Unstructured: u})
		}
	}
	return out
}

func IDSet(objects []manifest.Object) map[manifest.ID]bool {
	out := make(map[manifest.ID]bool, len(objects))
	for _, o := range objects {
		out[o.ID()] = true
	}
	return out
}

func IDsOf(objects []manifest.Object) []manifest.ID {
	ids := make([]manifest.ID, len(objects))
	for i, o := range objects {
		ids[i] = o.ID()
	}
	return ids
}
