package render

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/worker"
)

// Render runs a release's templates, in a process of their own: a render that
// takes too long or too much is ended. What its environment's rules don't allow is
// returned as Problems.
func (r *Renderer) Render(ctx context.Context, p *Prepared, opts Options) (*manifest.Release, error) {
	caps := worker.Capabilities(*opts.Capabilities)
	if apis := opts.Defined.APIs(); opts.Installs && len(apis) > 0 {
		caps.APIVersions = slices.Concat(caps.APIVersions, apis)
	}
	out, err := r.run(ctx, p, opts, &caps)
	if err != nil {
		return nil, p.renderError(err)
	}
	rel, err := r.patched(ctx, p, out, opts)
	if err != nil || opts.Historic {
		return rel, err
	}
	problems, err := r.checkSecrets(ctx, p, rel, opts, &caps)
	if err == nil {
		err = slices.Concat(p.checkImages(rel), problems).OrNil()
	}
	if err != nil {
		return nil, err
	}
	return rel, nil
}

// patched makes objects of what was rendered, with the release's patches.
func (r *Renderer) patched(ctx context.Context, p *Prepared, out *worker.Rendered, opts Options) (*manifest.Release, error) {
	rel, err := p.release(out, opts)
	if err != nil {
		return nil, p.broken("", p.hideFault(err))
	}
	if err := r.patch(ctx, p, rel); err != nil {
		return nil, p.renderError(err)
	}
	if err := cmp.Or(rel.CheckReserved(), unrepeated(rel)); err != nil {
		return nil, p.broken("", p.hideFault(err))
	}
	rel.Plain = !p.HasSecrets()
	return rel, nil
}

// inputs are what a worker is given besides the chart.
func (p *Prepared) inputs(opts Options) (worker.Release, error) {
	values, err := json.Marshal(p.values)
	if err != nil {
		return worker.Release{}, fmt.Errorf("encode the values of release %s: %w", p.spec.Name, err)
	}
	return worker.Release{Name: p.spec.Name, Namespace: p.spec.Namespace, Values: values, Revision: opts.Revision, IsUpgrade: opts.IsUpgrade,
		Installs: opts.Installs}, nil
}

// CRDs returns what the chart's crds/ folders define, as Render does: a release
// record does not keep them.
func (r *Renderer) CRDs(ctx context.Context, p *Prepared, scope manifest.Scope) ([]manifest.Object, error) {
	if !p.chart.Defines() {
		return nil, nil
	}
	raw, err := p.inputs(Options{})
	if err != nil {
		return nil, err
	}
	out, err := r.pool.Define(worker.For(ctx, p.environment), p.chart.Sent(), raw)
	if err != nil {
		return nil, p.renderError(err)
	}
	return manifest.Objects(out.CRDs, p.spec.Namespace, scope)
}
