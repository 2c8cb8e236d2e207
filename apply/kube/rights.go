package kube

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

// maxRights is how many single rights a role may stand for. Those of a large operator have some
// thousands.
const maxRights = 50_000

// CheckRights refuses a role that stands for more rights than the API server can look at. Where
// who applies it may not escalate, it writes them all out, each name of a list with each of the
// others, to compare them with those that he has: six kilobytes of text are five gigabytes.
func CheckRights(u *unstructured.Unstructured) error {
	if gvk := u.GroupVersionKind(); gvk.Group != "rbac.authorization.k8s.io" || gvk.Kind != "Role" && gvk.Kind != "ClusterRole" {
		return nil
	}
	rules, _ := u.Object["rules"].([]any)
	all := 0
	for i, r := range rules {
		rule := manifest.AsMap(r)
		count := func(field string) int {
			list, _ := rule[field].([]any)
			return min(len(list), maxRights+1) // so that no product is too large for an int
		}
		of := count("apiGroups") * count("resources") * max(count("resourceNames"), 1)
		all += min((min(of, maxRights+1)+count("nonResourceURLs"))*count("verbs"), maxRights+1)
		if all > maxRights {
			return fmt.Errorf("with rules[%d] it stands for more than %d single rights, each group with each resource, name and verb: split it, or write * for many", i, maxRights)
		}
	}
	return nil
}
