package render

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/worker"
)

// release makes objects of what was rendered.
func (p *Prepared) release(r *worker.Rendered, opts Options) (*manifest.Release, error) {
	rel := &manifest.Release{Name: p.spec.Name, Namespace: p.spec.Namespace, Digest: p.Digest, Values: p.values,
		Chart: r.Chart, Notes: r.Notes, Manifest: r.Manifest}
	var err error
	if len(r.Defaults) > 0 {
		if err = json.Unmarshal(r.Defaults, &rel.Defaults); err != nil {
			return nil, err
		}
	}
	if rel.CRDs, err = manifest.Objects(r.CRDs, p.spec.Namespace, opts.Namespaced); err != nil {
		return nil, err
	}
	scope := manifest.Define(rel.CRDs).Scope(opts.Defined.Scope(opts.Namespaced))
	if rel.Objects, err = manifest.Objects(r.Objects, p.spec.Namespace, scope); err != nil {
		return nil, err
	}
	if err := unique(rel.Objects); err != nil {
		return nil, err
	}
	for _, h := range r.Hooks {
		hook, err := p.hook(h, scope)
		if err != nil {
			return nil, err
		}
		rel.Hooks = append(rel.Hooks, hook)
	}
	return rel, nil
}

// unrepeated refuses what server-side apply can't merge.
func unrepeated(rel *manifest.Release) error {
	definitions := slices.Concat(rel.CRDs, rel.Objects)
	all := definitions
	for _, h := range rel.Hooks {
		all = append(all, h.Object)
	}
	for _, o := range all {
		if err := manifest.Unrepeated(o, definitions); err != nil {
			return err
		}
	}
	return nil
}

func (p *Prepared) hook(h worker.Hook, scope manifest.Scope) (manifest.Hook, error) {
	objects, err := manifest.Objects(h.Documents, p.spec.Namespace, scope)
	if err != nil {
		return manifest.Hook{}, fmt.Errorf("%s: %w", h.Path, err)
	}
	if len(objects) != 1 {
		return manifest.Hook{}, fmt.Errorf("%s: a hook holds %d objects instead of one", h.Path, len(objects))
	}
	out := manifest.Hook{Object: objects[0], Text: h.Text, Weight: h.Weight, Events: h.Events, DeletePolicies: h.DeletePolicies}
	out.Source = h.Path
	return out, nil
}

func unique(objects []manifest.Object) error {
	first := map[manifest.ID]string{}
	for _, o := range objects {
		if at, twice := first[o.ID()]; twice {
			return fmt.Errorf("%s is rendered twice, by %s and by %s: rename or remove one", o.ID(), at, o.Source)
		}
		first[o.ID()] = o.Source
	}
	return nil
}

// Text prints a release as tether render does: CRDs, objects, hooks last.
func Text(rel *manifest.Release) string {
	var b strings.Builder
	for _, o := range rel.CRDs {
		raw, err := yamlOf(o)
		if err != nil {
			continue
		}
		fmt.Fprintf(&b, "---\n# Source: %s\n%s", o.Source, raw)
	}
	b.WriteString(rel.Manifest)
	for _, h := range rel.Hooks {
		fmt.Fprintf(&b, "---\n# Source: %s\n%s\n", h.Source, strings.TrimSpace(h.Text))
	}
	return b.String()
}

func yamlOf(o manifest.Object) ([]byte, error) { return yaml.Marshal(o.Object) }
