package permissions_test

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/permissions"
	"github.com/xetys/tether/render/manifest"
)

// TestWhatAnEnvironmentNeeds says rules as GROUP/RESOURCES[NAMES]: VERBS, a line each.
func TestWhatAnEnvironmentNeeds(t *testing.T) {
	for sentence, c := range map[string]struct {
		objects string
		in      string // the namespace whose rules are looked at
		has     []string
		hasNot  []string
	}{
		"an object is read, watched and written in its namespace": {
			"apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, namespace: elsewhere}", "elsewhere",
			[]string{"example.com/widgets: get,list,watch,create,update,patch,delete"}, []string{"/secrets"}},
		"a cluster-wide object is in the cluster's role": {
			"apiVersion: scheduling.k8s.io/v1\nkind: PriorityClass\nmetadata: {name: a}", "",
			[]string{"scheduling.k8s.io/priorityclasses: get,list,watch,create,update,patch,delete"}, nil},
		"namespaces are read and labelled by name, and not made": {
			"", "", []string{"/namespaces[shop]: get,list,watch,patch"}, []string{"create"}},
		"a chart that makes a namespace may": {
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: more}", "",
			[]string{"/namespaces: get,list,watch,create,update,patch,delete"}, nil},
		"records are Helm's": {
			"", "shop", []string{"/secrets: get,list,watch,create,update,patch,delete"}, nil},
		"who grants a role holds it": {
			"apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\nrules: [{apiGroups: [batch], resources: [jobs, cronjobs], verbs: [delete]}]", "shop",
			[]string{"batch/jobs,cronjobs: delete", "rbac.authorization.k8s.io/roles: get,list,watch,create,update,patch,delete"}, []string{"bind", "escalate", "*"}},
		"who binds a role may bind that one": {
			"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: a}\nroleRef: {kind: ClusterRole, name: view}", "shop",
			[]string{"rbac.authorization.k8s.io/clusterroles[view]: bind"}, []string{"escalate", "*"}},
		"what is said twice is in the rules once": {
			"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}", "shop",
			[]string{"/secrets: get,list,watch,create,update,patch,delete"}, nil},
	} {
		objects, err := manifest.Parse(c.objects, "shop", nil)
		if err != nil {
			t.Fatal(sentence, err)
		}
		needs := permissions.Of("shop", []permissions.Release{{Release: &manifest.Release{Name: "web", Namespace: "shop", Objects: objects}}},
			func(gk schema.GroupKind) string { return plural(gk.Kind) })
		text := written(needs[c.in])
		for _, line := range c.has {
			if strings.Count("\n"+text, "\n"+line+"\n") != 1 {
				t.Errorf("%s: %q is not once in\n%s", sentence, line, text)
			}
		}
		for _, part := range c.hasNot {
			if strings.Contains(text, part) {
				t.Errorf("%s: %q is in\n%s", sentence, part, text)
			}
		}
	}
}

func plural(kind string) string {
	if strings.HasSuffix(kind, "s") {
		return strings.ToLower(kind) + "es"
	}
	return strings.ToLower(kind) + "s"
}

// written are rules as text; rules for several resources of the same verbs are a line for each.
func written(rules []rbacv1.PolicyRule) string {
	var out strings.Builder
	for _, r := range rules {
		resources := r.Resources
		if len(r.APIGroups) == 1 && r.APIGroups[0] == "batch" { // the chart's own rule stays as it stands
			resources = []string{strings.Join(resources, ",")}
		}
		for _, resource := range resources {
			out.WriteString(strings.Join(r.APIGroups, ",") + "/" + resource)
			if len(r.ResourceNames) > 0 {
				out.WriteString("[" + strings.Join(r.ResourceNames, ",") + "]")
			}
			out.WriteString(": " + strings.Join(r.Verbs, ",") + "\n")
		}
	}
	return out.String()
}
