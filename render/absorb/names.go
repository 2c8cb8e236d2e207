package absorb

import (
	"context"
	"slices"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// Objects are the names of what an environment renders to, hooks left out. A release that
// can't be rendered is left out too.
func (a *Absorber) Objects(ctx context.Context, environment string) ([]string, error) {
	var out []string
	err := a.each(ctx, environment, func(_ render.Inspection, o manifest.Object) { out = append(out, o.ID().String()) })
	return out, err
}

// Paths are the fields of some objects of an environment.
func (a *Absorber) Paths(ctx context.Context, environment string, objects []string) ([]string, error) {
	var out []string
	err := a.each(ctx, environment, func(p render.Inspection, o manifest.Object) {
		if !slices.Contains(objects, o.ID().String()) {
			return
		}
		for _, l := range drift.Leaves(o.Object) {
			out = append(out, p.Mask(l.Path))
		}
	})
	return out, err
}

func (a *Absorber) each(ctx context.Context, environment string, see func(render.Inspection, manifest.Object)) error {
	env, err := render.LoadEnvironment(a.Files, environment)
	if err != nil {
		return err
	}
	opts := a.Options
	opts.Historic, opts.Preview = true, true
	for _, spec := range env.Releases {
		p, err := a.Renderer.Prepare(ctx, a.Files, env, spec)
		if err != nil {
			continue
		}
		rel, err := a.Renderer.Render(ctx, p, opts)
		if err != nil {
			continue
		}
		for _, o := range rel.Objects {
			see(render.Inspection{Prepared: p}, o)
		}
	}
	return ctx.Err()
}
