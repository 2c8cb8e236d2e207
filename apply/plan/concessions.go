package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/drift"
)

// concession is a field of a kind that is filled in by a controller, by the API server or
// by a Job of the chart, and that charts leave empty, or set to what does not count.
type concession struct {
	schema.GroupKind
	// at leads to the field; "*" is any element of a list.
	at []string
	// always says that it is left out whatever it holds, when holds.
	always func(u *unstructured.Unstructured) bool
}

// concessions are those of the API server and of Kubernetes' own controllers. Those of
// injectors stand among package drift's rows, since they keep what they have put in, too.
var concessions = []concession{
	{GroupKind: schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}, at: []string{"rules"}, always: gathersRules},
	{GroupKind: schema.GroupKind{Kind: "ServiceAccount"}, at: []string{"secrets"}},
	{GroupKind: schema.GroupKind{Kind: "ServiceAccount"}, at: []string{"imagePullSecrets"}},
	{GroupKind: schema.GroupKind{Kind: "Secret"}, at: []string{"data", "token"}, always: isToken},
	{GroupKind: schema.GroupKind{Kind: "Secret"}, at: []string{"data", "ca.crt"}, always: isToken},
	{GroupKind: schema.GroupKind{Kind: "Secret"}, at: []string{"data", "namespace"}, always: isToken},
	{GroupKind: ClaimKind, at: []string{"spec", "volumeName"}},
	{GroupKind: serviceKind, at: []string{"spec", "clusterIP"}},
	{GroupKind: serviceKind, at: []string{"spec", "clusterIPs"}},
	{GroupKind: serviceKind, at: []string{"spec", "healthCheckNodePort"}},
	{GroupKind: serviceKind, at: []string{"spec", "loadBalancerIP"}},
	{GroupKind: serviceKind, at: []string{"spec", "ports", "*", "nodePort"}},
}

// gathersRules reports whether a ClusterRole is filled in by its controller
// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles).
func gathersRules(u *unstructured.Unstructured) bool { return u.Object["aggregationRule"] != nil }

// isToken reports whether a Secret is filled in by the token controller.
func isToken(u *unstructured.Unstructured) bool {
	return u.Object["type"] == "kubernetes.io/service-account-token"
}

// concede takes from an object what belongs to its controllers: they fill it in, and what is
// applied as empty would be emptied again. Only what is changed of u is copied.
func concede(u *unstructured.Unstructured) {
	for _, c := range concessionsOf(u) {
		v, _ := without(u.Object, c.at, c.always != nil && c.always(u))
		u.Object, _ = v.(map[string]any)
	}
}

func concessionsOf(u *unstructured.Unstructured) []concession {
	gk := u.GroupVersionKind().GroupKind()
	var out []concession
	for _, c := range concessions {
		if c.GroupKind == gk {
			out = append(out, c)
		}
	}
	for _, p := range drift.FilledIn(u) {
		out = append(out, concession{GroupKind: gk, at: strings.Split(p, "/")[1:]})
	}
	return out
}

// without returns a value without what a path leads to, if that is empty or has to go
// anyway; false if it stays as it is.
func without(v any, at []string, anyway bool) (any, bool) {
	switch x := v.(type) {
	case map[string]any:
		below, ok := x[at[0]]
		if !ok {
			return v, false
		}
		if len(at) == 1 {
			if !anyway && !unsaid(below) {
				return v, false
			}
			x = maps.Clone(x)
			delete(x, at[0])
			return x, true
		}
		next, some := without(below, at[1:], anyway)
		if some {
			x = maps.Clone(x)
			x[at[0]] = next
		}
		return x, some
	case []any:
		if at[0] != "*" {
			return v, false
		}
		changed := false
		x = slices.Clone(x)
		for i, e := range x {
			next, some := without(e, at[1:], anyway)
			x[i], changed = next, changed || some
		}
		return x, changed
	}
	return v, false
}

// unsaid reports whether a value says nothing: it is what a field has that is not set.
func unsaid(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case string:
		return x == "" || x == "Cg==" // an empty line, which some generators of CRDs write
	case int64:
		return x == 0
	case float64:
		return x == 0
	case []any:
		return len(x) == 0 || len(x) == 1 && x[0] == ""
	case map[string]any:
		return len(x) == 0
	}
	return false
}

// conceded lists, as JSON pointers, the fields that an object has and that are nobody's
// addition: a controller's, or the size of a claim.
func conceded(u *unstructured.Unstructured) []string {
	var out []string
	for _, c := range concessionsOf(u) {
		out = append(out, pointersTo(u.Object, c.at, "")...)
	}
	if u.GroupVersionKind().GroupKind() == ClaimKind {
		out = append(out, pointersTo(u.Object, SizeOfClaim, "")...)
	}
	return out
}

func pointersTo(v any, at []string, pointer string) []string {
	if len(at) == 0 {
		return []string{pointer}
	}
	switch x := v.(type) {
	case map[string]any:
		if below, ok := x[at[0]]; ok {
			return pointersTo(below, at[1:], pointer+"/"+at[0])
		}
	case []any:
		var out []string
		for i, e := range x {
			if at[0] == "*" {
				out = append(out, pointersTo(e, at[1:], pointer+"/"+strconv.Itoa(i))...)
			}
		}
		return out
	}
	return nil
}

// SizeOfClaim leads to the size that a claim asks for.
var SizeOfClaim = []string{"spec", "resources", "requests", "storage"}
