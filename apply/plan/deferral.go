package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/quota"
	"github.com/xetys/tether/render/manifest"
)

// Unserved says that the commit's own CRD of a kind does not serve the object's version; empty
// if that is not so.
func (c Provisions) Unserved(gvk schema.GroupVersionKind) string {
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

// Deferral says why an object cannot be dry-run before other objects of the same
// commit are there; empty if that is not what err says.
func (c Provisions) Deferral(u *unstructured.Unstructured, err error) string {
	switch {
	case err == nil:
		return ""
	case apierror.KindMissing(err):
		return c.PendingKind(u.GroupVersionKind())
	case apierror.NamespaceMissing(err, u.GetNamespace()) && c.Namespaces[u.GetNamespace()]:
		return PendingNamespace(u.GetNamespace())
	}
	if q := quota.ExcessOf(err); q != nil {
		raised := c.needs[manifest.ID{Kind: QuotaKind.Kind, Namespace: u.GetNamespace(), Name: q.Quota}]
		if raised != nil && q.Fits(nil, quota.LimitsOf(raised)) {
			return fmt.Sprintf("the quota %s leaves room for it once this commit has raised it", q.Quota)
		}
		return ""
	}
	if id, ok := missing(u, err); ok && c.needs[id] != nil {
		return fmt.Sprintf("%s comes with this commit", id)
	}
	return ""
}

// PendingKind says which object of the commit brings a kind.
func (c Provisions) PendingKind(gvk schema.GroupVersionKind) string {
	gk := gvk.GroupKind()
	if len(c.Kinds[gk]) > 0 {
		return fmt.Sprintf("its kind %s comes with this commit", gk)
	}
	if by, ok := c.ProgramOf(gvk); ok {
		return fmt.Sprintf("its kind %s is brought by %s, which comes with this commit", gk, by)
	}
	return ""
}

// ProgramOf names the object whose program brings a kind once it runs.
func (c Provisions) ProgramOf(gvk schema.GroupVersionKind) (manifest.ID, bool) {
	if by, ok := c.brought[gvk.GroupKind()]; ok {
		return by, true
	}
	by, ok := c.apis[gvk.GroupVersion()]
	return by, ok
}

// PendingNamespace says that an object waits for its namespace.
func PendingNamespace(namespace string) string {
	return fmt.Sprintf("its namespace %s comes with this commit", namespace)
}

var noAccount = regexp.MustCompile(`error looking up service account ([^/\s]+)/([^:\s]+): serviceaccount "[^"]*" not found`)

var noPriority = regexp.MustCompile(`no PriorityClass with name (\S+) was found`)

var noRuntime = regexp.MustCompile(`RuntimeClass "([^"]+)" not found`)

// missing names what an object refers to that the API server wants to see first.
func missing(u *unstructured.Unstructured, err error) (manifest.ID, bool) {
	of := func(gk schema.GroupKind, namespace, name string) (manifest.ID, bool) {
		return manifest.ID{Group: gk.Group, Kind: gk.Kind, Namespace: namespace, Name: name}, true
	}
	// Of a role that it does not find, the API server says the name, and the binding's kind.
	if role := manifest.AsMap(u.Object["roleRef"]); role["name"] != nil && role["name"] == apierror.NotFound(err).Name {
		if role["kind"] == groupRoleKind.Kind {
			return of(groupRoleKind, "", apierror.NotFound(err).Name)
		}
		return of(roleKind, u.GetNamespace(), apierror.NotFound(err).Name)
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
