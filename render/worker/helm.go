package worker

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"

	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/patch"
)

// The bounds of a packed dependency.
const (
	maxPackedFile = 5 << 20
	maxPacked     = 20 << 20
)

// helm is Helm inside a worker. It keeps the charts that it was sent.
type helm struct {
	ask    Lookup
	charts map[string]*chart.Chart
	caps   *chartutil.Capabilities
}

func newHelm(ask Lookup) *helm {
	loader.MaxDecompressedChartSize, loader.MaxDecompressedFileSize = maxPacked, maxPackedFile
	return &helm{ask: ask, charts: map[string]*chart.Chart{}}
}

// do does what is asked. Helm's panics are errors.
func (h *helm) do(r *request) (out *response) {
	out = &response{}
	defer func() {
		if p := recover(); p != nil {
			out = &response{Error: short(fmt.Sprintf("%s panics: %v", r.Do.whose(), p))}
		}
	}()
	if err := h.act(r, out); err != nil {
		out := &response{Error: short(once(err.Error())), Exceeded: errors.As(err, &tooMuch{})}
		var wrong *patch.Error
		if errors.As(err, &wrong) {
			out.At = wrong.At
		}
		return out
	}
	return out
}

func (h *helm) act(r *request, out *response) (err error) {
	switch r.Do {
	case load:
		return h.load(r.Folder, out)
	case alter:
		return change(r, out)
	}
	if r.Capabilities != nil {
		if h.caps, err = r.Capabilities.helm(); err != nil {
			return err
		}
	}
	if r.NewChart != nil {
		if h.charts[r.Chart], err = r.NewChart.helm(); err != nil {
			return err
		}
	}
	ch := h.charts[r.Chart]
	if ch == nil {
		return fmt.Errorf("chart %s was not sent", r.Chart)
	}
	if r.Do == describe {
		out.Outline, err = outlineOf(ch)
		return err
	}
	ch = clone(ch)
	values := map[string]any{}
	if err := json.Unmarshal(r.Release.Values, &values); err != nil {
		return fmt.Errorf("read the values: %w", err)
	}
	switch r.Do {
	case check:
		return checkValues(ch, values)
	case define:
		if err := chartutil.ProcessDependenciesWithMerge(ch, values); err != nil {
			return err
		}
		out.Rendered = &Rendered{}
		out.Rendered.CRDs, err = definitions(ch)
	case execute:
		out.Rendered, err = h.render(ch, values, r.Release)
	}
	if err != nil {
		return err
	}
	return out.Rendered.bounded()
}

// load has Helm's loader read a folder, so that .helmignore means what it means to
// Helm.
func (h *helm) load(folder string, out *response) error {
	ch, err := loader.LoadDir(folder)
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), folder+"/", ""))
	}
	for _, f := range ch.Raw {
		out.Names = append(out.Names, f.Name)
	}
	out.Outline, err = outlineOf(ch)
	return err
}

// helm has Helm read the chart's files.
func (c *Chart) helm() (*chart.Chart, error) {
	var files []*loader.BufferedFile
	for _, f := range c.Files {
		files = append(files, &loader.BufferedFile{Name: f.Name, Data: f.Data})
	}
	ch, err := loader.LoadFiles(files)
	if err != nil {
		return nil, err
	}
	for _, d := range c.Deps {
		dep, err := d.helm()
		if err != nil {
			return nil, err
		}
		ch.AddDependency(dep)
	}
	return ch, nil
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

// clone copies what rendering changes of a chart: its values, and which of its
// dependencies are enabled under which name. Its files are shared.
func clone(c *chart.Chart) *chart.Chart {
	out := &chart.Chart{Raw: c.Raw, Lock: c.Lock, Templates: c.Templates, Schema: c.Schema, Files: c.Files, Values: copyMap(c.Values)}
	if c.Metadata != nil {
		meta := *c.Metadata
		meta.Dependencies = slices.Clone(c.Metadata.Dependencies)
		for i, d := range c.Metadata.Dependencies {
			if d != nil {
				dependency := *d
				meta.Dependencies[i] = &dependency
			}
		}
		out.Metadata = &meta
	}
	for _, d := range c.Dependencies() {
		out.AddDependency(clone(d))
	}
	return out
}

func copyMap(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = copyValue(v)
	}
	return out
}

func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return copyMap(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = copyValue(e)
		}
		return out
	}
	return v
}

// render runs the templates. The values were checked against the schema before.
func (h *helm) render(ch *chart.Chart, values map[string]any, rel Release) (*Rendered, error) {
	if h.caps == nil {
		return nil, errors.New("capabilities were not sent")
	}
	if kind := ch.Metadata.Type; kind != "" && kind != "application" {
		return nil, fmt.Errorf("%s charts are not installable", kind)
	}
	if v := ch.Metadata.KubeVersion; v != "" && !chartutil.IsCompatibleRange(v, h.caps.KubeVersion.String()) {
		return nil, fmt.Errorf("chart requires kubeVersion: %s which is incompatible with Kubernetes %s", v, h.caps.KubeVersion.String())
	}
	if err := chartutil.ProcessDependenciesWithMerge(ch, values); err != nil {
		return nil, err
	}
	crds, err := definitions(ch)
	if err != nil {
		return nil, err
	}
	caps := *h.caps
	if rel.Installs {
		if caps.APIVersions, err = withOwn(caps.APIVersions, crds); err != nil {
			return nil, err
		}
	}
	all, err := chartutil.ToRenderValuesWithSchemaValidation(ch, values, chartutil.ReleaseOptions{
		Name: rel.Name, Namespace: rel.Namespace, Revision: rel.Revision, IsInstall: !rel.IsUpgrade, IsUpgrade: rel.IsUpgrade,
	}, &caps, true)
	if err != nil {
		return nil, err
	}
	rendered, err := engine.RenderWithClientProvider(ch, all, asker{h.ask})
	if err != nil {
		return nil, err
	}
	out, err := sorted(ch, rendered, caps.APIVersions)
	if err != nil {
		return nil, err
	}
	out.CRDs = crds
	out.Defaults, err = defaults(ch)
	return out, err
}

// maxDefaults bounds the chart's own values that a record keeps: a record has to fit into
// a Secret.
const maxDefaults = 256 << 10

// defaults are the chart's own values, with those of the charts that it depends on, as
// Helm records them.
func defaults(ch *chart.Chart) ([]byte, error) {
	raw, err := json.Marshal(ch.Values)
	if err != nil || boundedDefaults(raw) != nil {
		return nil, err
	}
	return raw, nil
}

// withOwn adds to what a cluster serves what the chart's own CRDs will have it serve:
// Helm installs them first.
func withOwn(apis chartutil.VersionSet, crds []manifest.Document) (chartutil.VersionSet, error) {
	objects, err := manifest.Objects(crds, "", nil)
	if err != nil {
		return nil, err
	}
	return slices.Concat(apis, manifest.Define(objects).APIs()), nil
}

// sorted sorts what was rendered into notes, objects and hooks, as Helm does.
func sorted(ch *chart.Chart, rendered map[string]string, apis chartutil.VersionSet) (*Rendered, error) {
	out := &Rendered{Chart: manifest.Chart{Name: ch.Name(), Version: ch.Metadata.Version, AppVersion: ch.AppVersion()}}
	size := 0
	for name, text := range rendered {
		if size += len(text); size > maxText {
			return nil, tooMuch{fmt.Errorf("its templates render more than %d MiB: split the release", maxText>>20)}
		}
		if strings.HasSuffix(name, "NOTES.txt") {
			if name == path.Join(ch.Name(), "templates", "NOTES.txt") {
				out.Notes = text
			}
			delete(rendered, name)
			continue
		}
		if err := knownHooks(name, text); err != nil {
			return nil, err
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(rendered, apis, releaseutil.InstallOrder)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, m := range manifests {
		fmt.Fprintf(&b, "---\n# Source: %s\n%s\n", m.Name, m.Content)
	}
	out.Manifest = b.String()
	if out.Objects, err = manifest.Documents(out.Manifest); err != nil {
		return nil, err
	}
	for _, r := range hooks {
		hook, err := hookOf(r)
		if err != nil {
			return nil, err
		}
		out.Hooks = append(out.Hooks, hook)
	}
	return out, nil
}

// definitions are what the chart's crds/ folders hold.
func definitions(ch *chart.Chart) ([]manifest.Document, error) {
	var out []manifest.Document
	for _, crd := range ch.CRDObjects() {
		documents, err := manifest.DocumentsOf(crd.Filename, string(crd.File.Data))
		if err != nil {
			return nil, err
		}
		out = append(out, documents...)
	}
	return out, nil
}

func hookOf(r *release.Hook) (Hook, error) {
	out := Hook{Path: r.Path, Text: r.Manifest, Weight: r.Weight}
	var err error
	if out.Documents, err = manifest.Documents(r.Manifest); err != nil {
		return Hook{}, fmt.Errorf("%s: %w", r.Path, err)
	}
	for _, e := range r.Events {
		out.Events = append(out.Events, string(e))
	}
	for _, d := range r.DeletePolicies {
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
	if !strings.Contains(text, release.HookAnnotation) && !strings.Contains(text, `\`) { // which can write it otherwise
		return nil
	}
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
