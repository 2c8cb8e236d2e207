package kube

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A role of a few kilobytes that the API server would write out in gigabytes is not sent.
func TestRolesThatAreNotSent(t *testing.T) {
	names := func(n int) []any {
		var out []any
		for i := range n {
			out = append(out, fmt.Sprintf("n%d", i))
		}
		return out
	}
	rule := func(groups, resources, only, urls, verbs int) map[string]any {
		return map[string]any{"apiGroups": names(groups), "resources": names(resources), "resourceNames": names(only), "nonResourceURLs": names(urls), "verbs": names(verbs)}
	}
	for name, c := range map[string]struct {
		kind  string
		rules []any
		at    string
	}{
		"a large operator's":         {"Role", []any{rule(1, 2000, 0, 0, 8), rule(20, 40, 5, 0, 8)}, ""},
		"lists by lists":             {"Role", []any{rule(1, 1, 0, 0, 1), rule(200, 200, 0, 0, 200)}, "rules[1]"},
		"of the whole cluster":       {"ClusterRole", []any{rule(200, 200, 0, 0, 200)}, "rules[0]"},
		"by names":                   {"Role", []any{rule(1, 100, 1000, 0, 1)}, "rules[0]"},
		"by addresses":               {"ClusterRole", []any{rule(0, 0, 0, 1000, 1000)}, "rules[0]"},
		"many rules":                 {"Role", []any{rule(1, 200, 0, 0, 200), rule(1, 200, 0, 0, 200)}, "rules[1]"},
		"more than a number can say": {"Role", []any{rule(60_000, 60_000, 60_000, 0, 60_000)}, "rules[0]"},
		"no role":                    {"RoleBinding", []any{rule(200, 200, 0, 0, 200)}, ""},
		"another shape":              {"Role", []any{"all", map[string]any{"verbs": "all"}}, ""},
	} {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": c.kind, "rules": c.rules}}
		err := CheckRights(u)
		if (err == nil) != (c.at == "") || err != nil && !strings.HasPrefix(err.Error(), "with "+c.at+" it stands for more than 50000 single rights") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
