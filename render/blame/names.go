package blame

import (
	"fmt"
	"slices"
	"strings"
)

// MatchObjects are the objects, of those that are given, that somebody asked for: by their
// names as they are told (Deployment.apps prod/web), or as kubectl has it (deployment/web,
// deploy.apps/prod/web). Several may have the name of one without its namespace.
func MatchObjects(objects []string, asked string) ([]string, error) {
	var out []string
	for _, o := range objects {
		if o == asked || isNamed(o, asked) {
			out = append(out, o)
		}
	}
	if len(out) > 0 {
		return out, nil
	}
	if !strings.ContainsAny(asked, " /") {
		return nil, fmt.Errorf("object %q: write Kind.group name, Kind.group namespace/name or kind/name, like deployment/web", asked)
	}
	return nil, &UnknownError{What: "object " + asked, Known: slices.Clone(objects)}
}

// UnknownError says that there is nothing of a name, and what there is.
type UnknownError struct {
	What  string
	Known []string
}

// Error says what there is not.
func (e *UnknownError) Error() string { return "there is no " + e.What }

func isNamed(object, asked string) bool {
	kind, name, _ := strings.Cut(object, " ")
	askedKind, askedName, spaced := strings.Cut(asked, " ")
	if !spaced {
		if askedKind, askedName, spaced = strings.Cut(asked, "/"); !spaced {
			return false
		}
	}
	_, short, namespaced := strings.Cut(name, "/")
	if name != askedName && (!namespaced || short != askedName) {
		return false
	}
	return sameKind(strings.ToLower(kind), strings.ToLower(askedKind))
}

// shorts are kubectl's short names of kinds that people type.
var shorts = map[string]string{
	"cj": "cronjob", "cm": "configmap", "deploy": "deployment", "ds": "daemonset", "hpa": "horizontalpodautoscaler", "ing": "ingress",
	"netpol": "networkpolicy", "pdb": "poddisruptionbudget", "pvc": "persistentvolumeclaim", "sa": "serviceaccount", "sts": "statefulset", "svc": "service",
}

func sameKind(kind, asked string) bool {
	is, group, _ := strings.Cut(kind, ".")
	name, askedGroup, grouped := strings.Cut(asked, ".")
	if grouped && group != askedGroup {
		return false
	}
	if long, ok := shorts[name]; ok {
		name = long
	}
	return name == is || name == is+"s" || name == is+"es" || strings.HasSuffix(is, "y") && name == strings.TrimSuffix(is, "y")+"ies"
}

// UnderPath reports whether a path is the one that was asked for, or leads on from it.
func UnderPath(path, asked string) bool {
	asked = strings.TrimPrefix(asked, ".")
	rest, ok := strings.CutPrefix(path, asked)
	return ok && (asked == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}
