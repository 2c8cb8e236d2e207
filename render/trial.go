package render

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/xetys/tether/render/config"
)

// Inspection is a release as who takes it apart sees it: what it is made of, and what it would
// be with other inputs.
type Inspection struct{ *Prepared }

// Trial is what of a release's inputs is different for one render.
type Trial struct {
	// Values take the place of the release's merged values; nil leaves them.
	Values map[string]any
	// Name and Namespace, if given, take the place of the release's.
	Name, Namespace string
	// Files are files of the chart with another content, by their names in it.
	Files map[string][]byte
	// Patch is the patch that is left out, counted from 1; 0 leaves all.
	Patch int
	// Unpatched leaves all patches out.
	Unpatched bool
}

// Try returns the release with some of its inputs changed, to be rendered with
// Options.Aside and Past and to be looked at. Nothing of it is checked, and it has no
// digest of its own. It hides the same secrets.
func (p Inspection) Try(t Trial) *Prepared {
	out := *p.Prepared
	if t.Values != nil {
		out.values = t.Values
	}
	out.spec.Name = cmp.Or(t.Name, p.spec.Name)
	out.spec.Namespace = cmp.Or(t.Namespace, p.spec.Namespace)
	if len(t.Files) > 0 {
		out.chart = p.chart.With(t.Files)
	}
	if t.Patch > 0 {
		out.spec.Patches = slices.Delete(slices.Clone(p.spec.Patches), t.Patch-1, t.Patch)
	}
	if t.Unpatched {
		out.spec.Patches = nil
	}
	return &out
}

// Values are the release's merged values, without the chart's own. They may hold
// secrets, and are not to be changed.
func (p Inspection) Values() map[string]any { return p.values }

// Spec is the release as environment.yaml lists it.
func (p Inspection) Spec() config.ReleaseSpec { return p.spec }

// ChartFile is a file of a release's chart, by its name in it; nil if there is none.
func (p Inspection) ChartFile(name string) []byte {
	for _, f := range p.chart.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// ChartFiles are the names of the files of a release's chart that are not packed, those of
// the charts in it too, but not of charts that lie beside it.
func (p Inspection) ChartFiles() []string {
	var out []string
	for _, f := range p.chart.Files {
		out = append(out, f.Name)
	}
	return out
}

// ChartAt is where a file of a release's chart stands: its path in the repository, or
// else what is said of a chart that lies elsewhere or is packed. The name is that in the
// chart, or below charts/NAME of one that it refers to.
func (p Inspection) ChartAt(name string) (file, of string) {
	if p.spec.Remote != nil {
		return "", p.spec.Remote.String()
	}
	if config.Packed(p.spec.Chart) {
		return "", p.spec.Chart
	}
	if rest, ok := strings.CutPrefix(name, "charts/"); ok && p.ChartFile(name) == nil {
		dep, below, _ := strings.Cut(rest, "/")
		for _, d := range p.chart.Metadata().Dependencies {
			if at, isFile := strings.CutPrefix(d.Repository, "file://"); isFile && d.Name == dep {
				return path.Join(p.spec.Chart, at, below), ""
			}
		}
		return "", "chart " + dep
	}
	return path.Join(p.spec.Chart, name), ""
}
