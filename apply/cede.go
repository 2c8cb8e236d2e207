package apply

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
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
	{GroupKind: claimKind, at: []string{"spec", "volumeName"}},
	{GroupKind: serviceKind, at: []string{"spec", "clusterIP"}},
	{GroupKind: serviceKind, at: []string{"spec", "clusterIPs"}},
	{GroupKind: serviceKind, at: []string{"spec", "healthCheckNodePort"}},
	{GroupKind: serviceKind, at: []string{"spec", "loadBalancerIP"}},
	{GroupKind: serviceKind, at: []string{"spec", "ports", "*", "nodePort"}},
}

var (
	serviceKind = schema.GroupKind{Kind: "Service"}
	claimKind   = schema.GroupKind{Kind: "PersistentVolumeClaim"}
)

// gathersRules reports whether a ClusterRole is filled in by its controller
// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#aggregated-clusterroles).
func gathersRules(u *unstructured.Unstructured) bool { return u.Object["aggregationRule"] != nil }

// isToken reports whether a Secret is filled in by the token controller.
func isToken(u *unstructured.Unstructured) bool {
	return u.Object["type"] == "kubernetes.io/service-account-token"
}

// cede takes from an object what belongs to its controllers: they fill it in, and what is
// applied as empty would be emptied again. Only what is changed of u is copied.
func cede(u *unstructured.Unstructured) {
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
	if u.GroupVersionKind().GroupKind() == claimKind {
		out = append(out, pointersTo(u.Object, sizeOfClaim, "")...)
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

var sizeOfClaim = []string{"spec", "resources", "requests", "storage"}

// claims reports whether an object asks for a volume of some size.
func claims(o manifest.Object) bool {
	_, has, _ := unstructured.NestedFieldNoCopy(o.Object, sizeOfClaim...)
	return has && o.ID().GroupKind() == claimKind
}

// grown returns a claim as it is applied to one that is larger: a volume grows by hand,
// by an operator or by a later commit, and never shrinks
// (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims).
func grown(want, live *unstructured.Unstructured) *unstructured.Unstructured {
	size := func(u *unstructured.Unstructured) (resource.Quantity, bool) {
		text, _, _ := unstructured.NestedString(u.Object, sizeOfClaim...)
		q, err := quantity(text)
		return q, err == nil
	}
	asked, ok := size(want)
	there, known := size(live)
	if !ok || !known || asked.Cmp(there) >= 0 {
		return want
	}
	return leftTo(want, live, sizeOfClaim...)
}

// leftTo returns an object without a field that somebody else owns; as long as nobody
// does the field is what it is in the cluster, since one that its only owner drops goes
// back to its default.
func leftTo(want, live *unstructured.Unstructured, at ...string) *unstructured.Unstructured {
	now, there, _ := unstructured.NestedFieldNoCopy(live.Object, at...)
	_, asked, _ := unstructured.NestedFieldNoCopy(want.Object, at...)
	keys := make([]any, len(at))
	for i, k := range at {
		keys[i] = k
	}
	out := want.DeepCopy()
	switch {
	case drift.OwnedByOthers(live, FieldManager, keys...):
		out.Object, _ = removed(out.Object, at)
	case there && (asked || drift.OwnedBy(live, FieldManager, keys...)):
		if unstructured.SetNestedField(out.Object, now, at...) != nil {
			return want // what is in its way is no map: the server says what is wrong with it
		}
	}
	return out
}

// removed takes a field out of a map, and what is empty for it; it reports whether the
// map is empty then.
func removed(m map[string]any, at []string) (map[string]any, bool) {
	if len(at) == 1 {
		delete(m, at[0])
	} else if below, ok := m[at[0]].(map[string]any); ok {
		if _, empty := removed(below, at[1:]); empty {
			delete(m, at[0])
		}
	}
	return m, len(m) == 0
}
