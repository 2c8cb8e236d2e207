package render

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/patch"
	"github.com/xetys/tether/render/worker"
)

// patch has the release's patches applied to its objects and hooks, in a process that can
// be ended; not to CRDs of crds/, which belong to no release.
func (r *Renderer) patch(ctx context.Context, p *Prepared, rel *manifest.Release) error {
	if len(p.spec.Patches) == 0 {
		return nil
	}
	var patches []patch.Patch
	for _, s := range p.spec.Patches {
		patches = append(patches, s.Patch)
	}
	all := slices.Clone(rel.Objects)
	for _, h := range rel.Hooks {
		all = append(all, h.Object)
	}
	raw := make([][]byte, len(all))
	for i, o := range all {
		var err error
		if raw[i], err = o.MarshalJSON(); err != nil {
			return err
		}
	}
	changed, err := r.pool.Patch(worker.For(ctx, p.environment), patches, raw)
	if err != nil {
		var helm *worker.HelmError
		if errors.As(err, &helm) && helm.At < len(patches) {
			return fmt.Errorf("%s:%d: %w", p.spec.File, p.spec.Patches[helm.At].Line, err)
		}
		return err
	}
	if len(changed) != len(all) {
		return fmt.Errorf("%d objects came back from being patched, of %d", len(changed), len(all))
	}
	return takePatched(rel, changed)
}

// takePatched puts what became of a release's objects and hooks in their places.
func takePatched(rel *manifest.Release, changed []patch.Changed) error {
	n := len(rel.Objects)
	objects, hooks := []manifest.Object{}, []manifest.Hook{}
	var b strings.Builder
	for i, o := range rel.Objects {
		out, err := patched(o, changed[i])
		if err != nil {
			return err
		}
		if out == nil {
			continue
		}
		raw, err := yamlOf(*out)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "---\n# Source: %s\n%s", out.Source, raw)
		objects = append(objects, *out)
	}
	for i, h := range rel.Hooks {
		out, err := patched(h.Object, changed[n+i])
		if err != nil {
			return err
		}
		if out == nil {
			continue
		}
		if h.Object = *out; changed[n+i].Hit {
			raw, err := yamlOf(*out)
			if err != nil {
				return err
			}
			h.Text = string(raw)
		}
		hooks = append(hooks, h)
	}
	rel.Objects, rel.Hooks, rel.Manifest = objects, hooks, b.String()
	return nil
}

// patched is an object as patches left it; nil if they deleted it.
func patched(o manifest.Object, c patch.Changed) (*manifest.Object, error) {
	if !c.Hit {
		return &o, nil
	}
	if len(c.JSON) == 0 {
		return nil, nil
	}
	u := &unstructured.Unstructured{}
	err := u.UnmarshalJSON(c.JSON)
	return &manifest.Object{Unstructured: u, Source: o.Source}, err
}
