package apply

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// AnnotBrings names, on any object, the kinds that its program defines once it runs:
// "Widget.example.com, Gadget.example.com". Objects of them are deferred until then.
const AnnotBrings = Group + "/brings"

// Coming is what the same commit brings about before its objects need it: what
// waits for it is deferred instead of refused.
type Coming struct {
	Namespaces map[string]bool
	// Kinds are the CustomResourceDefinitions of each kind: several releases may bring one.
	Kinds map[schema.GroupKind][]*unstructured.Unstructured
	// Confirmed has what the commit takes away accepted.
	Confirmed bool
	// Moves says which objects go from one release to another.
	Moves Moves

	needs    map[manifest.ID]*unstructured.Unstructured // what the API server wants to see before it takes what refers to it
	brought  map[schema.GroupKind]manifest.ID           // kinds that a program defines, and its object
	apis     map[schema.GroupVersion]manifest.ID        // APIs that a program serves
	absent   map[string]bool                            // namespaces that are known not to exist yet
	fresh    *fresh                                     // what is in namespaces
	webhooks map[string]bool                            // admission webhooks, by name
}

var (
	definitionKind = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
	apiServiceKind = schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}
	accountKind    = schema.GroupKind{Kind: "ServiceAccount"}
	quotaKind      = schema.GroupKind{Kind: "ResourceQuota"}
	roleKind       = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "Role"}
	groupRoleKind  = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}
	priorityKind   = schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}
	runtimeKind    = schema.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"}
)

// Comes collects what objects bring about, and the namespaces that are made for them.
func Comes(objects []manifest.Object, namespaces ...string) Coming {
	c := Coming{
		Namespaces: map[string]bool{}, Kinds: map[schema.GroupKind][]*unstructured.Unstructured{},
		needs: map[manifest.ID]*unstructured.Unstructured{}, brought: map[schema.GroupKind]manifest.ID{}, apis: map[schema.GroupVersion]manifest.ID{},
		webhooks: map[string]bool{},
	}
	for _, ns := range namespaces {
		c.Namespaces[ns] = true
	}
	c.add(objects)
	return c.Guarded(objects...)
}

// with is what comes, and what some more objects bring about.
func (c Coming) with(objects []manifest.Object) Coming {
	all := Comes(objects)
	maps.Copy(all.Namespaces, c.Namespaces)
	maps.Copy(all.needs, c.needs)
	maps.Copy(all.brought, c.brought)
	maps.Copy(all.apis, c.apis)
	maps.Copy(all.webhooks, c.webhooks)
	for gk, definitions := range c.Kinds {
		all.Kinds[gk] = slices.Concat(all.Kinds[gk], definitions)
	}
	all.Confirmed, all.Moves, all.absent, all.fresh = c.Confirmed, c.Moves, c.absent, c.fresh
	return all
}

func (c *Coming) add(objects []manifest.Object) {
	for _, o := range objects {
		for _, gk := range kindsBrought(o) {
			c.brought[gk] = o.ID()
		}
		switch o.ID().GroupKind() {
		case schema.GroupKind{Kind: "Namespace"}:
			c.Namespaces[o.GetName()] = true
		case definitionKind:
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
			gk := schema.GroupKind{Group: group, Kind: kind}
			c.Kinds[gk] = append(c.Kinds[gk], o.Unstructured)
		case apiServiceKind:
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			version, _, _ := unstructured.NestedString(o.Object, "spec", "version")
			c.apis[schema.GroupVersion{Group: group, Version: version}] = o.ID()
		case accountKind, quotaKind, roleKind, groupRoleKind, priorityKind, runtimeKind:
			c.needs[o.ID()] = o.Unstructured
		}
	}
}

func kindsBrought(o manifest.Object) []schema.GroupKind {
	var out []schema.GroupKind
	for _, text := range strings.FieldsFunc(o.GetAnnotations()[AnnotBrings], func(r rune) bool { return r == ',' || r == ' ' }) {
		out = append(out, schema.ParseGroupKind(text))
	}
	return out
}

// unserved says why an object can't be had in its version: the commit's own definitions
// of its kind serve others. Empty if that is not so.
func (c Coming) unserved(gvk schema.GroupVersionKind) string {
	var served []string
	name := ""
	for _, definition := range c.Kinds[gvk.GroupKind()] {
		served, name = append(served, servedVersions(definition)...), definition.GetName()
	}
	if len(served) == 0 || slices.Contains(served, gvk.Version) {
		return ""
	}
	slices.Sort(served)
	return fmt.Sprintf("its CustomResourceDefinition %s, which comes with this commit, serves %s, not %s: write it in a version that is served",
		name, strings.Join(slices.Compact(served), ", "), gvk.Version)
}

// deferral says why an object cannot be dry-run before other objects of the same
// commit are there; empty if that is not what err says.
func (c Coming) deferral(u *unstructured.Unstructured, err error) string {
	switch {
	case err == nil:
		return ""
	case kindMissing(err):
		return c.kindComes(u.GroupVersionKind())
	case namespaceMissing(err, u.GetNamespace()) && c.Namespaces[u.GetNamespace()]:
		return namespaceComes(u.GetNamespace())
	}
	if q := excessOf(err); q != nil {
		quota := c.needs[manifest.ID{Kind: quotaKind.Kind, Namespace: u.GetNamespace(), Name: q.quota}]
		if quota != nil && q.fits(nil, hardOf(quota)) {
			return fmt.Sprintf("the quota %s leaves room for it once this commit has raised it", q.quota)
		}
		return ""
	}
	if id, ok := missing(u, err); ok && c.needs[id] != nil {
		return fmt.Sprintf("%s comes with this commit", id)
	}
	return ""
}

// kindComes says what of the commit brings a kind.
func (c Coming) kindComes(gvk schema.GroupVersionKind) string {
	gk := gvk.GroupKind()
	if len(c.Kinds[gk]) > 0 {
		return fmt.Sprintf("its kind %s comes with this commit", gk)
	}
	if by, ok := c.programOf(gvk); ok {
		return fmt.Sprintf("its kind %s is brought by %s, which comes with this commit", gk, by)
	}
	return ""
}

// programOf names the object whose program brings a kind once it runs.
func (c Coming) programOf(gvk schema.GroupVersionKind) (manifest.ID, bool) {
	if by, ok := c.brought[gvk.GroupKind()]; ok {
		return by, true
	}
	by, ok := c.apis[gvk.GroupVersion()]
	return by, ok
}

func namespaceComes(namespace string) string {
	return fmt.Sprintf("its namespace %s comes with this commit", namespace)
}

// kindMissing reports whether the API server does not serve an object's kind, or not in
// its version.
func kindMissing(err error) bool {
	return meta.IsNoMatchError(err) || apierrors.IsNotFound(err) && strings.Contains(err.Error(), "the server could not find the requested resource")
}

func namespaceMissing(err error, namespace string) bool {
	d := detailsOf(err)
	return d.kind == "namespaces" && d.name == namespace
}

// details is what the API server says that it did not find.
type details struct{ kind, name string }

func detailsOf(err error) details {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsNotFound(err) || status.Status().Details == nil {
		return details{}
	}
	d := status.Status().Details
	return details{d.Kind, d.Name}
}

var (
	noAccount  = regexp.MustCompile(`error looking up service account ([^/\s]+)/([^:\s]+): serviceaccount "[^"]*" not found`)
	noPriority = regexp.MustCompile(`no PriorityClass with name (\S+) was found`)
	noRuntime  = regexp.MustCompile(`RuntimeClass "([^"]+)" not found`)
)

// missing names what an object refers to that the API server wants to see first.
func missing(u *unstructured.Unstructured, err error) (manifest.ID, bool) {
	of := func(gk schema.GroupKind, namespace, name string) (manifest.ID, bool) {
		return manifest.ID{Group: gk.Group, Kind: gk.Kind, Namespace: namespace, Name: name}, true
	}
	// Of a role that it does not find, the API server says the name, and the binding's kind.
	if role := stringMap(u.Object["roleRef"]); role["name"] != nil && role["name"] == detailsOf(err).name {
		if role["kind"] == groupRoleKind.Kind {
			return of(groupRoleKind, "", detailsOf(err).name)
		}
		return of(roleKind, u.GetNamespace(), detailsOf(err).name)
	}
	if !apierrors.IsForbidden(err) {
		return manifest.ID{}, false
	}
	if m := noAccount.FindStringSubmatch(err.Error()); m != nil {
		return of(accountKind, m[1], m[2])
	}
	if m := noPriority.FindStringSubmatch(err.Error()); m != nil {
		return of(priorityKind, "", m[1])
	}
	if m := noRuntime.FindStringSubmatch(err.Error()); m != nil {
		return of(runtimeKind, "", m[1])
	}
	return manifest.ID{}, false
}
