package plan

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// Provisions are what the same commit creates before other objects need it (namespaces, kinds,
// webhooks): objects that wait for it are deferred instead of refused.
type Provisions struct {
	Namespaces map[string]bool
	// Kinds are the CustomResourceDefinitions of each kind: several releases may bring one.
	Kinds map[schema.GroupKind][]*unstructured.Unstructured
	// Confirmed has what the commit takes away accepted.
	Confirmed bool
	// Moves says which objects go from one release to another.
	Moves Moves

	// Absent are the namespaces that are known not to exist yet.
	Absent map[string]bool
	// Names are the objects that there are in some of the namespaces.
	Names *Names

	needs    map[manifest.ID]*unstructured.Unstructured // what the API server wants to see before it takes what refers to it
	brought  map[schema.GroupKind]manifest.ID           // kinds that a program defines, and its object
	apis     map[schema.GroupVersion]manifest.ID        // APIs that a program serves
	webhooks map[string]bool                            // admission webhooks, by name
}

// ProvisionsOf collects what objects provide, and the namespaces that are created for them.
func ProvisionsOf(objects []manifest.Object, namespaces ...string) Provisions {
	c := Provisions{
		Namespaces: map[string]bool{}, Kinds: map[schema.GroupKind][]*unstructured.Unstructured{},
		needs: map[manifest.ID]*unstructured.Unstructured{}, brought: map[schema.GroupKind]manifest.ID{}, apis: map[schema.GroupVersion]manifest.ID{},
		webhooks: map[string]bool{},
	}
	for _, ns := range namespaces {
		c.Namespaces[ns] = true
	}
	c.add(objects)
	return c.WithWebhooks(objects...)
}

// With returns the provisions with those of more objects.
func (c Provisions) With(objects []manifest.Object) Provisions {
	all := ProvisionsOf(objects)
	maps.Copy(all.Namespaces, c.Namespaces)
	maps.Copy(all.needs, c.needs)
	maps.Copy(all.brought, c.brought)
	maps.Copy(all.apis, c.apis)
	maps.Copy(all.webhooks, c.webhooks)
	for gk, definitions := range c.Kinds {
		all.Kinds[gk] = slices.Concat(all.Kinds[gk], definitions)
	}
	all.Confirmed, all.Moves, all.Absent, all.Names = c.Confirmed, c.Moves, c.Absent, c.Names
	return all
}

func (c *Provisions) add(objects []manifest.Object) {
	for _, o := range objects {
		for _, gk := range kindsBrought(o) {
			c.brought[gk] = o.ID()
		}
		switch o.ID().GroupKind() {
		case schema.GroupKind{Kind: "Namespace"}:
			c.Namespaces[o.GetName()] = true
		case DefinitionKind:
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
			gk := schema.GroupKind{Group: group, Kind: kind}
			c.Kinds[gk] = append(c.Kinds[gk], o.Unstructured)
		case apiServiceKind:
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			version, _, _ := unstructured.NestedString(o.Object, "spec", "version")
			c.apis[schema.GroupVersion{Group: group, Version: version}] = o.ID()
		case accountKind, QuotaKind, roleKind, groupRoleKind, priorityKind, runtimeKind:
			c.needs[o.ID()] = o.Unstructured
		}
	}
}

func kindsBrought(o manifest.Object) []schema.GroupKind {
	var out []schema.GroupKind
	for _, text := range strings.FieldsFunc(o.GetAnnotations()[ownership.AnnotBrings], func(r rune) bool { return r == ',' || r == ' ' }) {
		out = append(out, schema.ParseGroupKind(text))
	}
	return out
}
