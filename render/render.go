package render

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/worker"
)

// Capabilities are what a chart sees of a cluster.
type Capabilities struct {
	KubeVersion string
	APIVersions []string
}

// OfflineKubeVersion is what charts see without a cluster.
const OfflineKubeVersion = "v1.37.2"

// OfflineCapabilities are what charts see without a cluster: the APIs that Helm
// itself knows, and more if given.
func OfflineCapabilities(kubeVersion string, more []string) *Capabilities {
	if kubeVersion == "" {
		kubeVersion = OfflineKubeVersion
	}
	return &Capabilities{KubeVersion: kubeVersion, APIVersions: append(append([]string{}, chartutil.DefaultVersionSet...), more...)}
}

// Options are what a render depends on besides its inputs.
type Options struct {
	Capabilities *Capabilities
	// Lookup answers the lookup function; nil for none.
	Lookup    engine.ClientProvider
	Revision  int
	IsUpgrade bool
	// Namespaced tells the scope of kinds; nil for the well-known ones.
	Namespaced manifest.Scope
	// Installs has a chart see the APIs of its own crds/ folders, and of Coming, as
	// if they were in the cluster already: helm install puts them there first.
	Installs bool
	// Past has the release not held to its environment's rules: it is what was.
	Past bool
	// Coming are the CRDs that come before the release.
	Coming manifest.Defined
	// Aside says that what is rendered is to be looked at, and not deployed: it is not
	// kept for the next time.
	Aside bool
}

// RenderError says that a release's templates can't be rendered: its inputs are
// at fault.
type RenderError struct {
	Release string
	at      string // where it is listed, if the error does not say what is at fault
	err     error

	file  string // where it is listed
	line  int
	chart string // its chart's folder in the repository; empty if it has none
}

// Error names the release, and what Helm says of template and line.
func (e *RenderError) Error() string {
	return fmt.Sprintf("%srelease %s: %s", e.at, e.Release, strings.Join(strings.Fields(e.err.Error()), " "))
}

// Unwrap returns Helm's error.
func (e *RenderError) Unwrap() error { return e.err }

// Render runs a release's templates, in a process of their own: a render that
// takes too long or too much is ended. What its environment's rules don't allow is
// returned as Problems.
func (r *Renderer) Render(ctx context.Context, p *Prepared, opts Options) (*manifest.Release, error) {
	caps := worker.Capabilities(*opts.Capabilities)
	if apis := opts.Coming.APIs(); opts.Installs && len(apis) > 0 {
		caps.APIVersions = slices.Concat(caps.APIVersions, apis)
	}
	out, err := r.run(ctx, p, opts, &caps)
	if err != nil {
		return nil, p.renderError(err)
	}
	rel, err := r.patched(ctx, p, out, opts)
	if err != nil || opts.Past {
		return rel, err
	}
	problems, err := r.checkSecrets(ctx, p, rel, opts, &caps)
	if err == nil {
		err = slices.Concat(p.checkImages(rel), problems).orNil()
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
	rel.Plain = !p.Secretive()
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

// renderError tells what is wrong with the release from what keeps it from being
// rendered at all.
func (p *Prepared) renderError(err error) error {
	if !isFault(err) {
		return fmt.Errorf("release %s: %w", p.spec.Name, err)
	}
	if Exceeds(err) {
		return p.broken(fmt.Sprintf("%s:%d: ", p.spec.file, p.spec.line), p.Hide(err))
	}
	return p.broken("", p.hideFault(err))
}

// broken says what is wrong with the release, of which err tells no secret.
func (p *Prepared) broken(at string, err error) *RenderError {
	e := &RenderError{Release: p.spec.Name, at: at, err: err, file: p.spec.file, line: p.spec.line}
	if p.spec.remote == nil && path.Ext(p.spec.Chart) != ".tgz" {
		e.chart = p.spec.Chart
	}
	return e
}

// isFault reports whether an error is about what the repository holds.
func isFault(err error) bool {
	var helm *worker.HelmError
	return errors.As(err, &helm) || Exceeds(err)
}

// Exceeds reports whether a release is refused since it takes too long or too much.
// Others of the same commit may do so too.
func Exceeds(err error) bool {
	var exceeded *worker.Exceeded
	return errors.As(err, &exceeded)
}

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
	scope := manifest.Define(rel.CRDs).Scope(opts.Coming.Scope(opts.Namespaced))
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

// CRDs returns what the chart's crds/ folders define, as Render does: a release
// record does not keep them.
func (r *Renderer) CRDs(ctx context.Context, p *Prepared, scope manifest.Scope) ([]manifest.Object, error) {
	if !p.source.defines() {
		return nil, nil
	}
	raw, err := p.inputs(Options{})
	if err != nil {
		return nil, err
	}
	out, err := r.pool.Define(worker.For(ctx, p.environment), p.source.whole(), raw)
	if err != nil {
		return nil, p.renderError(err)
	}
	return manifest.Objects(out.CRDs, p.spec.Namespace, scope)
}

// defines reports whether a chart, or one that it depends on, may bring CRDs; a
// packed dependency counts as one that does.
func (s *source) defines() bool {
	return slices.ContainsFunc(s.files, func(f *loader.BufferedFile) bool {
		return strings.HasPrefix(f.Name, "crds/") || strings.Contains(f.Name, "/crds/") || strings.HasSuffix(f.Name, ".tgz")
	}) || slices.ContainsFunc(s.deps, (*source).defines)
}

// constrains reports whether a chart, or one that it depends on, may have a schema for
// its values.
func (s *source) constrains() bool {
	return slices.ContainsFunc(s.files, func(f *loader.BufferedFile) bool {
		return strings.HasSuffix(f.Name, "values.schema.json") || strings.HasSuffix(f.Name, ".tgz")
	}) || slices.ContainsFunc(s.deps, (*source).constrains)
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
