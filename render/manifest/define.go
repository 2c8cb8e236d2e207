package manifest

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Defined is what CRDs add to what a cluster serves, before it does: the versions
// of each kind, and whether it lives in namespaces.
type Defined map[schema.GroupKind]definition

type definition struct {
	namespaced bool
	versions   []string
}

var definitionKind = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

// Define finds the CRDs among objects.
func Define(objects []Object) Defined {
	d := Defined{}
	for _, o := range objects {
		if o.ID().GroupKind() != definitionKind {
			continue
		}
		group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
		scope, _, _ := unstructured.NestedString(o.Object, "spec", "scope")
		d[schema.GroupKind{Group: group, Kind: kind}] = definition{namespaced: scope != "Cluster", versions: served(o)}
	}
	return d
}

func served(o Object) []string {
	versions, _, _ := unstructured.NestedSlice(o.Object, "spec", "versions")
	var out []string
	for _, v := range versions {
		m, _ := v.(map[string]any)
		name, _ := m["name"].(string)
		if is, _ := m["served"].(bool); is && name != "" {
			out = append(out, name)
		}
	}
	return out
}

// APIs names what is defined as Helm's capabilities do: "group/version" and
// "group/version/Kind".
func (d Defined) APIs() []string {
	var out []string
	for gk, def := range d {
		for _, v := range def.versions {
			out = append(out, gk.Group+"/"+v, gk.Group+"/"+v+"/"+gk.Kind)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Scope answers for what is defined, and asks next for all else; next may be nil.
func (d Defined) Scope(next Scope) Scope {
	return func(gvk schema.GroupVersionKind) (namespaced, known bool) {
		if next != nil {
			if namespaced, known = next(gvk); known {
				return namespaced, true
			}
		}
		def, is := d[gvk.GroupKind()]
		return def.namespaced, is
	}
}
