package blame

import (
	"slices"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// followed are a release's inputs at a parent of a commit, under the name that it had
// there: a release that is not there may have been renamed, and so may its environment.
func (w *walk) followed(parent, c *Commit, at where) inputs {
	in := w.inputs(parent, at)
	if in.err != nil || in.key != "" {
		return in
	}
	newer, err := w.environment(c, at.environment)
	if err != nil || newer == nil {
		return in
	}
	older, err := w.environment(parent, at.environment)
	if err != nil {
		return in
	}
	if older == nil {
		at.environment = w.formerName(parent, c, at)
		if older, err = w.environment(parent, at.environment); err != nil || older == nil {
			return in
		}
		if renamed := w.inputs(parent, at); renamed.key != "" {
			return renamed
		}
	}
	if name := formerRelease(newer, older, at.release); name != "" {
		return w.inputs(parent, where{at.environment, name})
	}
	return in
}

// formerName is the one environment that went when this one came; empty if there is none,
// or several.
func (w *walk) formerName(parent, c *Commit, at where) string {
	now, err := config.Environments(c.Files)
	if err != nil {
		return ""
	}
	before, err := config.Environments(parent.Files)
	if err != nil {
		return ""
	}
	gone := slices.DeleteFunc(before, func(name string) bool { return slices.Contains(now, name) })
	if len(gone) != 1 {
		return ""
	}
	return gone[0]
}

// formerRelease is the release of the same chart that went when this one came; of several
// the one with the same values files, or none.
func formerRelease(newer, older *render.Environment, name string) string {
	has := func(env *render.Environment, name string) bool {
		return slices.ContainsFunc(env.Releases, func(s config.ReleaseSpec) bool { return s.Name == name })
	}
	i := slices.IndexFunc(newer.Releases, func(s config.ReleaseSpec) bool { return s.Name == name })
	if i < 0 {
		return ""
	}
	came := newer.Releases[i]
	var gone, alike []string
	for _, s := range older.Releases {
		if has(newer, s.Name) || !came.SameChart(s) {
			continue
		}
		gone = append(gone, s.Name)
		if slices.EqualFunc(s.Values, came.Values, func(a, b config.ValuesSpec) bool { return a.File == b.File }) {
			alike = append(alike, s.Name)
		}
	}
	switch {
	case len(gone) == 1:
		return gone[0]
	case len(alike) == 1:
		return alike[0]
	}
	return ""
}
