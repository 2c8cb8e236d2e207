package assess

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/veil"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// difference is nil for a release that is as it is to be.
func (j *Release) difference() *ReleaseDifference {
	d := &ReleaseDifference{Name: j.Key.Name, Namespace: j.Key.Namespace, Action: string(j.Decision.Act), Reason: j.Decision.Reason,
		Objects: objectDifferences(j.Owner, j.Plan)}
	var hooks []manifest.Hook
	if j.Manifest != nil {
		hooks = j.Manifest.Hooks
	}
	d.effects(j.Plan, hooks)
	if j.Err != nil {
		d.Action, d.Reason = string(decide.Hold), j.Err.Error()
	}
	veil := j.Veil()
	d.Reason = veil.Mask(d.Reason)
	if d.Action == string(decide.None) && len(d.Objects) == 0 {
		return nil
	}
	for n := range d.Objects {
		o := &d.Objects[n]
		o.Why = veil.Mask(o.Why)
		for i := range o.Fields {
			veil.MaskDrift(&o.Fields[i].To, &o.Fields[i].From)
		}
	}
	for i := range d.Risks {
		d.Risks[i].Text = veil.Mask(d.Risks[i].Text)
	}
	for i := range d.Images {
		d.Images[i].Image = veil.Mask(d.Images[i].Image)
		veil.MaskDrift(&d.Images[i].To, &d.Images[i].From)
	}
	return d
}

// Preview plans what the agent would do about an environment if a tree of the
// repository were the branch's head now, whether or not it may do it now: deploy
// windows, pauses and the prune budget are left out. It sends dry-runs and writes
// nothing.
func Preview(ctx context.Context, c *apply.Cluster, config render.Config, files fs.FS, namespace string, keys Keys) (*Difference, error) {
	a, jobs, refusals, err := previewed(ctx, c, config, files, namespace, keys)
	if err != nil {
		return nil, err
	}
	d := &Difference{Environment: a.Environment, Releases: []ReleaseDifference{}, Refusals: []string{}}
	for _, r := range refusals {
		d.Refusals = append(d.Refusals, a.Veil.Text(r))
	}
	for _, j := range jobs {
		if one := j.difference(); one != nil {
			d.Releases = append(d.Releases, *one)
		}
	}
	d.moves()
	return d, nil
}

// previewed assesses the releases of a tree, each with its plan.
func previewed(ctx context.Context, c *apply.Cluster, config render.Config, files fs.FS, namespace string, keys Keys) (*Assessor, []*Release, []string, error) {
	site := &Site{Environment: c.Environment, Config: Config{Home: namespace, Keys: keys, Now: time.Now}, Files: noFiles, Cluster: c,
		Observed: &observed.State{}, Veil: &veil.Veil{}, Homes: &Homes{}, Listener: silent{}}
	refs := c.References(func(manifest.Reference) {})
	site.Renderer = render.NewRenderer(config).With(refs, keys.For(c.OwnReferences(nil), c.Environment, namespace))
	site.Observed.Forget()
	site.Observed.Baselines.DistrustRecords()
	c.KnowSeal(ctx, namespace)
	site.Observed.Histories.Sealed = true // a preview makes no key
	none := func(observed.Key) error { return nil }
	a := &Assessor{Surveyor: &Surveyor{Site: site, Rolling: func(observed.Key) bool { return false }}, Waits: none}
	var noLedger *ledger.ErrNoLedger
	var err error
	if a.Ledger, err = ledger.Read(ctx, c, namespace); errors.As(err, &noLedger) {
		a.Ledger, err = &ledger.Ledger{}, nil
	}
	if err != nil {
		return nil, nil, nil, err
	}
	a.Limits = asPerson(a.Ledger, namespace)
	l, err := (&Reader{Site: site, Ledger: a.Ledger}).Read(ctx, files, "")
	if err != nil {
		return nil, nil, nil, err
	}
	if err := l.Unread(); err != nil {
		return nil, nil, nil, err
	}
	l.Env.Windows = nil
	jobs, err := a.Releases(ctx, l)
	if err != nil {
		return nil, nil, nil, err
	}
	refusals, err := a.preflight(ctx, ctx, l, jobs)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, j := range jobs {
		if !j.Changes() {
			if err := a.DetectDrift(ctx, l, j); err != nil {
				return nil, nil, nil, err
			}
		}
	}
	return a, jobs, refusals, nil
}

// noFiles knows no commit but the one that is previewed.
func noFiles(string) (fs.FS, error) { return nil, fs.ErrNotExist }

// silent is told of nothing: who previews sees the difference.
type silent struct{}

// Wake does nothing: a preview looks once.
func (silent) Wake() {}

// Damaged does nothing: records that are set aside are the agent's to tell.
func (silent) Damaged(context.Context, string, record.History) {}

// Surveyed does nothing: what was found is in the difference.
func (silent) Surveyed(*Release, *observed.Baseline, *observed.Baseline) {}

// Warn does nothing.
func (silent) Warn(string, ...any) {}
