package config

import (
	"fmt"

	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/render/manifest"
)

// Within says by file and line what the environment names and may not touch.
func (env *Environment) Within(r realm.Realm) error {
	var out Problems
	refuse := func(line int, format string, args ...any) {
		out = append(out, Problem{File: env.File, Line: line, Message: fmt.Sprintf(format, args...)})
	}
	whole := r.Namespace(realm.Release{}, env.Namespace)
	if whole != "" {
		refuse(env.Line, "spec.namespace: %s", whole)
	}
	for _, spec := range env.Releases {
		rel := realm.Release{Namespace: spec.Namespace, Name: spec.Name}
		if why := r.Namespace(rel, spec.Namespace); why != "" {
			if why != whole {
				refuse(spec.Line, "release %s: %s", spec.Name, why)
			}
			continue
		}
		for _, v := range spec.ValuesFrom {
			if why := r.Refers(rel, v.Reference); why != "" {
				refuse(v.Line, "valuesFrom of release %s: %s", spec.Name, why)
			}
		}
	}
	if len(env.ChartCredentials) > 0 && whole == "" {
		if why := r.Refers(realm.Release{}, manifest.Reference{Kind: "Secret", Namespace: env.Namespace}); why != "" {
			refuse(env.Line, "chartCredentials: %s", why)
		}
	}
	return out.OrNil()
}
