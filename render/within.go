package render

import (
	"fmt"

	"github.com/xetys/tether/apply/realm"
)

// Within says by file and line what the environment names and may not touch.
func (env *Environment) Within(r realm.Realm) error {
	var out Problems
	refuse := func(line int, format string, args ...any) {
		out = append(out, Problem{File: env.file, Line: line, Message: fmt.Sprintf(format, args...)})
	}
	whole := r.Namespace(realm.Release{}, env.Namespace)
	if whole != "" {
		refuse(env.line, "spec.namespace: %s", whole)
	}
	for _, spec := range env.Releases {
		rel := realm.Release{Namespace: spec.Namespace, Name: spec.Name}
		if why := r.Namespace(rel, spec.Namespace); why != "" {
			if why != whole {
				refuse(spec.line, "release %s: %s", spec.Name, why)
			}
			continue
		}
		for _, v := range spec.ValuesFrom {
			if why := r.Refers(rel, v.Reference); why != "" {
				refuse(v.line, "valuesFrom of release %s: %s", spec.Name, why)
			}
		}
	}
	if len(env.ChartCredentials) > 0 && whole == "" {
		if why := r.Refers(realm.Release{}, Reference{Kind: "Secret", Namespace: env.Namespace}); why != "" {
			refuse(env.line, "chartCredentials: %s", why)
		}
	}
	return out.orNil()
}
