// Package permissions computes the RBAC rules that a service account needs to deploy an
// environment (https://kubernetes.io/docs/reference/access-authn-authz/rbac/).
//
// It is pure: it knows what was rendered, and no cluster. It does not know what templates look
// up, since that depends on what they find.
package permissions

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// Release is the part of a release that needs permissions.
type Release struct {
	*manifest.Release
	// References are the ConfigMaps and Secrets that its values come from.
	References []manifest.Reference
	// Asks says that checks after its rollouts ask Services.
	Asks bool
}

// Needs are RBAC rules by the namespace in which they are needed; those of "" are needed in the
// whole cluster.
type Needs map[string][]rbacv1.PolicyRule

// Namespaces returns the namespaces in which something is needed, sorted, without "".
func (n Needs) Namespaces() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(n)), func(ns string) bool { return ns == "" })
}

// written is what an object is read, watched and written by, and deleted when it leaves git.
var written = []string{"get", "list", "watch", "create", "update", "patch", "delete"}

var seen = []string{"get", "list", "watch"}

// Of returns what an environment needs that has a namespace of its own. resource names the
// resource of a kind.
func Of(namespace string, releases []Release, resource func(schema.GroupKind) string) Needs {
	n := Needs{}
	n.cluster(namespace, releases)
	for _, r := range releases {
		n.inNamespace(r.Namespace, r.Asks)
		for _, o := range everything(r.Release) {
			id := o.ID()
			n.add(id.Namespace, rule(id.Group, resource(id.GroupKind()), written))
			n.granted(o)
		}
		for _, ref := range r.References {
			one := rule("", strings.ToLower(ref.Kind)+"s", seen)
			one.ResourceNames = []string{ref.Name}
			n.add(ref.Namespace, one)
		}
	}
	for ns := range n {
		n[ns] = merged(n[ns])
	}
	return n
}

// everything are the objects of a release, its hooks' and CRDs too.
func everything(r *manifest.Release) []manifest.Object {
	out := slices.Concat(r.CRDs, r.Objects)
	for _, h := range r.Hooks {
		out = append(out, h.Object)
	}
	return out
}

// cluster is what an environment needs of the cluster whatever its charts are: its namespaces,
// which are labelled, and the CRDs, by which kinds that come later are known. Namespaces have to
// be there: RBAC can't bound a create by its name.
func (n Needs) cluster(namespace string, releases []Release) {
	names := []string{namespace}
	for _, r := range releases {
		names = append(names, r.Namespace)
	}
	slices.Sort(names)
	named := rule("", "namespaces", []string{"get", "list", "watch", "patch"})
	named.ResourceNames = slices.Compact(names)
	n.add("", named)
	n.add("", rule("apiextensions.k8s.io", "customresourcedefinitions", seen))
}

// inNamespace is what a release needs in its namespace whatever its chart is: Helm's records,
// what runs of it where they are lost, and what tells why it is not healthy. Pods are deleted
// where a StatefulSet is stuck.
func (n Needs) inNamespace(namespace string, asks bool) {
	n.add(namespace, rule("", "secrets", written))
	for _, r := range []string{"configmaps", "serviceaccounts", "services"} {
		n.add(namespace, rule("", r, []string{"list"}))
	}
	for _, r := range []string{"daemonsets", "deployments", "statefulsets"} {
		n.add(namespace, rule("apps", r, []string{"list"}))
	}
	n.add(namespace, rule("", "pods", []string{"get", "list", "watch", "delete"}))
	n.add(namespace, rule("", "pods/log", []string{"get"}))
	n.add(namespace, rule("", "events", []string{"list"}))
	n.add(namespace, rule("", "resourcequotas", []string{"list"}))
	n.add(namespace, rule("apps", "replicasets", seen))
	n.add(namespace, rule("autoscaling", "horizontalpodautoscalers", seen))
	if asks {
		n.add(namespace, rule("", "services/proxy", []string{"get"}))
	}
}

// granted adds what an object of RBAC grants: Kubernetes lets nobody grant what he does not
// hold himself, but for bindings by the verb bind
// (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping).
func (n Needs) granted(o manifest.Object) {
	id := o.ID()
	if id.Group != rbacv1.GroupName {
		return
	}
	switch id.Kind {
	case "Role", "ClusterRole":
		rules, _, _ := unstructured.NestedSlice(o.Object, "rules")
		for _, raw := range rules {
			m := manifest.AsMap(raw)
			n.add(id.Namespace, rbacv1.PolicyRule{APIGroups: texts(m["apiGroups"]), Resources: texts(m["resources"]), Verbs: texts(m["verbs"]),
				ResourceNames: texts(m["resourceNames"]), NonResourceURLs: texts(m["nonResourceURLs"])})
		}
	case "RoleBinding", "ClusterRoleBinding":
		kind, _, _ := unstructured.NestedString(o.Object, "roleRef", "kind")
		name, _, _ := unstructured.NestedString(o.Object, "roleRef", "name")
		bind := rule(rbacv1.GroupName, strings.ToLower(kind)+"s", []string{"bind"})
		bind.ResourceNames = []string{name}
		n.add(id.Namespace, bind)
	}
}

func texts(list any) []string {
	all, _ := list.([]any)
	var out []string
	for _, one := range all {
		if text, ok := one.(string); ok {
			out = append(out, text)
		}
	}
	return out
}

func rule(group, resource string, verbs []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, Verbs: slices.Clone(verbs)}
}

func (n Needs) add(namespace string, r rbacv1.PolicyRule) { n[namespace] = append(n[namespace], r) }

// merged folds rules of the same verbs and names into one for each API group, and leaves out
// what another one says already. The order is that of groups and resources.
func merged(rules []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	verbs := map[string][]string{} // by group, resource and names
	single := map[string]rbacv1.PolicyRule{}
	var out []rbacv1.PolicyRule
	for _, r := range rules {
		if len(r.APIGroups) != 1 || len(r.Resources) != 1 {
			out = append(out, r) // one that a chart grants, as it stands
			continue
		}
		key := r.APIGroups[0] + " " + r.Resources[0] + " " + strings.Join(r.ResourceNames, ",")
		single[key] = r
		for _, v := range r.Verbs {
			if !slices.Contains(verbs[key], v) {
				verbs[key] = append(verbs[key], v)
			}
		}
	}
	folded := map[string]rbacv1.PolicyRule{}
	for _, key := range slices.Sorted(maps.Keys(single)) {
		r := single[key]
		r.Verbs = inOrder(verbs[key])
		to := r.APIGroups[0] + " " + strings.Join(r.Verbs, ",") + " " + strings.Join(r.ResourceNames, ",")
		if before, there := folded[to]; there {
			r.Resources = append(slices.Clone(before.Resources), r.Resources...)
		}
		folded[to] = r
	}
	out = append(out, slices.Collect(maps.Values(folded))...)
	slices.SortStableFunc(out, func(a, b rbacv1.PolicyRule) int {
		return cmp.Or(slices.Compare(a.APIGroups, b.APIGroups), slices.Compare(a.Resources, b.Resources), slices.Compare(a.ResourceNames, b.ResourceNames), slices.Compare(a.Verbs, b.Verbs))
	})
	return slices.CompactFunc(out, func(a, b rbacv1.PolicyRule) bool {
		return slices.Equal(a.APIGroups, b.APIGroups) && slices.Equal(a.Resources, b.Resources) && slices.Equal(a.ResourceNames, b.ResourceNames) &&
			slices.Equal(a.Verbs, b.Verbs) && slices.Equal(a.NonResourceURLs, b.NonResourceURLs)
	})
}

// inOrder has verbs in the order in which RBAC's documents have them.
func inOrder(verbs []string) []string {
	order := []string{"get", "list", "watch", "create", "update", "patch", "delete"}
	slices.SortFunc(verbs, func(a, b string) int {
		return cmp.Or(cmp.Compare(place(order, a), place(order, b)), strings.Compare(a, b))
	})
	return verbs
}

func place(order []string, verb string) int {
	if i := slices.Index(order, verb); i >= 0 {
		return i
	}
	return len(order)
}
