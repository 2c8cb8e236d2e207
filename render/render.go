package render

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/manifest"
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
	// Coming are the CRDs that come before the release.
	Coming manifest.Defined
}

// RenderError says that a release's templates can't be rendered: its inputs are
// at fault.
type RenderError struct {
	Release string
	err     error
}

// Error names the release, and what Helm says of template and line.
func (e *RenderError) Error() string {
	return fmt.Sprintf("release %s: %s", e.Release, strings.Join(strings.Fields(e.err.Error()), " "))
}

// Unwrap returns Helm's error.
func (e *RenderError) Unwrap() error { return e.err }

// renderTimeout bounds a render: templates can loop.
const renderTimeout = 30 * time.Second

// Render runs a release's templates. A render that does not end in time is left
// to itself: Helm's engine can't be stopped.
func (r *Renderer) Render(ctx context.Context, p *Prepared, opts Options) (*manifest.Release, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, renderTimeout, fmt.Errorf("its templates do not end within %s", renderTimeout))
	defer cancel()
	type result struct {
		rel *manifest.Release
		err error
	}
	done := make(chan result, 1)
	go func() {
		rel, err := p.render(opts)
		done <- result{rel, err}
	}()
	select {
	case res := <-done:
		if res.err != nil {
			return nil, &RenderError{Release: p.spec.Name, err: res.err}
		}
		return res.rel, nil
	case <-ctx.Done():
		return nil, &RenderError{Release: p.spec.Name, err: context.Cause(ctx)}
	}
}

func (p *Prepared) render(opts Options) (*manifest.Release, error) {
	ch := p.source.load()
	if kind := ch.Metadata.Type; kind != "" && kind != "application" {
		return nil, fmt.Errorf("%s charts are not installable", kind)
	}
	caps, err := opts.Capabilities.helm()
	if err != nil {
		return nil, err
	}
	if v := ch.Metadata.KubeVersion; v != "" && !chartutil.IsCompatibleRange(v, caps.KubeVersion.String()) {
		return nil, fmt.Errorf("chart requires kubeVersion: %s which is incompatible with Kubernetes %s", v, caps.KubeVersion.String())
	}
	if err := chartutil.ProcessDependenciesWithMerge(ch, p.values); err != nil {
		return nil, err
	}
	crds, err := p.definitions(ch, opts.Namespaced)
	if err != nil {
		return nil, err
	}
	own := manifest.Define(crds)
	if opts.Installs {
		caps.APIVersions = slices.Concat(caps.APIVersions, opts.Coming.APIs(), own.APIs())
	}
	opts.Namespaced = own.Scope(opts.Coming.Scope(opts.Namespaced))
	values, err := chartutil.ToRenderValues(ch, p.values, chartutil.ReleaseOptions{
		Name: p.spec.Name, Namespace: p.spec.Namespace, Revision: opts.Revision, IsInstall: !opts.IsUpgrade, IsUpgrade: opts.IsUpgrade,
	}, caps)
	if err != nil {
		return nil, err
	}
	var rendered map[string]string
	if opts.Lookup != nil {
		rendered, err = engine.RenderWithClientProvider(ch, values, opts.Lookup)
	} else {
		rendered, err = engine.Render(ch, values)
	}
	if err != nil {
		return nil, err
	}
	rel, err := p.release(ch, rendered, caps, opts)
	if err != nil {
		return nil, err
	}
	rel.CRDs = crds
	return rel, nil
}

func (c *Capabilities) helm() (*chartutil.Capabilities, error) {
	v, err := chartutil.ParseKubeVersion(c.KubeVersion)
	if err != nil {
		return nil, fmt.Errorf("kubernetes version %q: %w", c.KubeVersion, err)
	}
	caps := &chartutil.Capabilities{KubeVersion: *v, APIVersions: c.APIVersions, HelmVersion: chartutil.DefaultCapabilities.HelmVersion}
	caps.HelmVersion.Version = cmp.Or(helmVersion(), caps.HelmVersion.Version)
	return caps, nil
}

// helmVersion is the version of Helm's released program that charts are to see:
// the library itself knows no patch level.
var helmVersion = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "helm.sh/helm/v3" {
				return m.Version
			}
		}
	}
	return ""
})

// release sorts what was rendered into notes, objects and hooks, as Helm does.
func (p *Prepared) release(ch *chart.Chart, rendered map[string]string, caps *chartutil.Capabilities, opts Options) (*manifest.Release, error) {
	rel := &manifest.Release{Name: p.spec.Name, Namespace: p.spec.Namespace, Digest: p.Digest, Values: p.values,
		Chart: manifest.Chart{Name: ch.Name(), Version: ch.Metadata.Version, AppVersion: ch.AppVersion()}}
	for name, text := range rendered {
		if strings.HasSuffix(name, "NOTES.txt") {
			if name == path.Join(ch.Name(), "templates", "NOTES.txt") {
				rel.Notes = text
			}
			delete(rendered, name)
			continue
		}
		if err := knownHooks(name, text); err != nil {
			return nil, err
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(rendered, caps.APIVersions, releaseutil.InstallOrder)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, m := range manifests {
		fmt.Fprintf(&b, "---\n# Source: %s\n%s\n", m.Name, m.Content)
	}
	rel.Manifest = b.String()
	if rel.Objects, err = manifest.Parse(rel.Manifest, p.spec.Namespace, opts.Namespaced); err != nil {
		return nil, err
	}
	if err := unique(rel.Objects); err != nil {
		return nil, err
	}
	for _, h := range hooks {
		hook, err := p.hook(h, opts)
		if err != nil {
			return nil, err
		}
		rel.Hooks = append(rel.Hooks, hook)
	}
	return rel, nil
}

// CRDs returns what the chart's crds/ folders define, as Render does: a release
// record does not keep them.
func (p *Prepared) CRDs(scope manifest.Scope) ([]manifest.Object, error) {
	if !p.source.defines() {
		return nil, nil
	}
	ch := p.source.load()
	if err := chartutil.ProcessDependenciesWithMerge(ch, p.values); err != nil {
		return nil, err
	}
	return p.definitions(ch, scope)
}

func (p *Prepared) definitions(ch *chart.Chart, scope manifest.Scope) ([]manifest.Object, error) {
	var out []manifest.Object
	for _, crd := range ch.CRDObjects() {
		objects, err := manifest.Parse("---\n# Source: "+crd.Filename+"\n"+string(crd.File.Data), p.spec.Namespace, scope)
		if err != nil {
			return nil, err
		}
		out = append(out, objects...)
	}
	return out, nil
}

// defines reports whether a chart, or one that it depends on, may bring CRDs; a
// packed dependency counts as one that does.
func (s *source) defines() bool {
	return slices.ContainsFunc(s.files, func(f *loader.BufferedFile) bool {
		return strings.HasPrefix(f.Name, "crds/") || strings.Contains(f.Name, "/crds/") || strings.HasSuffix(f.Name, ".tgz")
	}) || slices.ContainsFunc(s.deps, (*source).defines)
}

func (p *Prepared) hook(h *release.Hook, opts Options) (manifest.Hook, error) {
	objects, err := manifest.Parse(h.Manifest, p.spec.Namespace, opts.Namespaced)
	if err != nil {
		return manifest.Hook{}, fmt.Errorf("%s: %w", h.Path, err)
	}
	if len(objects) != 1 {
		return manifest.Hook{}, fmt.Errorf("%s: a hook holds %d objects instead of one", h.Path, len(objects))
	}
	out := manifest.Hook{Object: objects[0], Text: h.Manifest, Weight: h.Weight}
	out.Source = h.Path
	for _, e := range h.Events {
		out.Events = append(out.Events, string(e))
	}
	for _, d := range h.DeletePolicies {
		out.DeletePolicies = append(out.DeletePolicies, string(d))
	}
	if len(out.DeletePolicies) == 0 {
		out.DeletePolicies = []string{string(release.HookBeforeHookCreation)}
	}
	return out, nil
}

var hookNames = map[string]bool{
	"pre-install": true, "post-install": true, "pre-upgrade": true, "post-upgrade": true, "pre-rollback": true,
	"post-rollback": true, "pre-delete": true, "post-delete": true, "test": true, "test-success": true,
}

// knownHooks refuses hooks that Helm would drop without a word.
func knownHooks(name, text string) error {
	objects, err := manifest.Parse(text, "", nil)
	if err != nil {
		return nil // reported with the line by who parses it for good
	}
	for _, o := range objects {
		for e := range strings.SplitSeq(o.GetAnnotations()[release.HookAnnotation], ",") {
			if e = strings.ToLower(strings.TrimSpace(e)); e != "" && !hookNames[e] {
				return fmt.Errorf("%s: %s has the unknown hook %q: Helm would drop the object", name, o.ID(), e)
			}
		}
	}
	return nil
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
