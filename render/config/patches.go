package config

import (
	"strings"

	"github.com/xetys/tether/render/patch"
)

// The bounds of patches.
const (
	maxPatches = 100     // of a release
	maxPatched = 4 << 20 // bytes of all patches of an environment
)

// PatchSpec is a change to what a chart renders: a strategic merge or a JSON 6902
// patch, with the meaning that it has in a kustomization.
type PatchSpec struct {
	patch.Patch

	// Line is where it is listed.
	Line int `json:"-"`
}

type patchDocument struct {
	Target *patch.Target `yaml:"target"`
	Patch  string        `yaml:"patch"`
}

func (l *checker) patches(release int, docs []patchDocument) []PatchSpec {
	var out []PatchSpec
	if len(docs) > maxPatches {
		l.refuse(l.line("spec", "releases", release, "patches"), "the release has %d patches, more than %d: change the chart instead", len(docs), maxPatches)
		return nil
	}
	for i, d := range docs {
		at := func(field string) int { return l.line("spec", "releases", release, "patches", i, field) }
		p := PatchSpec{Patch: patch.Patch{Patch: strings.TrimSpace(d.Patch)}, Line: at("patch")}
		if d.Target != nil {
			p.Target = *d.Target
		}
		if err := p.Complete(d.Target != nil); err != nil {
			l.refuse(p.Line, "a patch: %v", err)
			continue
		}
		if l.patched += len(p.Patch.Patch); l.patched > maxPatched {
			l.refuse(p.Line, "the environment's patches are larger than %d MiB together: change the charts instead", maxPatched>>20)
			return nil
		}
		out = append(out, p)
	}
	return out
}
