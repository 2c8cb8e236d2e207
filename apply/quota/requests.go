package quota

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// NodePorts returns the node ports that a Service holds.
func NodePorts(service *unstructured.Unstructured) map[int64]bool {
	out := map[int64]bool{}
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	for _, p := range ports {
		if n, ok := manifest.AsMap(p)["nodePort"].(int64); ok && n != 0 {
			out[n] = true
		}
	}
	return out
}

// Takes is how much of one amount that a quota counts a new object takes.
func Takes(u *unstructured.Unstructured, of schema.GroupResource, amount string) resource.Quantity {
	one, none := *resource.NewQuantity(1, resource.DecimalSI), resource.Quantity{}
	spec := manifest.AsMap(u.Object["spec"])
	class, what, byClass := strings.Cut(amount, ".storageclass.storage.k8s.io/")
	if !byClass {
		what = amount
	} else if of.String() != "persistentvolumeclaims" || spec["storageClassName"] != class {
		return none
	}
	switch {
	case what == "count/"+of.String(), of.Group == "" && what == of.Resource:
		return one
	case what == "requests.storage" && of.String() == "persistentvolumeclaims":
		return storageOf(u)
	case what == "services.loadbalancers" && of.String() == "services" && spec["type"] == "LoadBalancer":
		return one
	case what == "services.nodeports" && of.String() == "services":
		if spec["type"] == "NodePort" || spec["type"] == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false {
			ports, _ := spec["ports"].([]any)
			return *resource.NewQuantity(int64(len(ports)), resource.DecimalSI)
		}
	}
	return none
}

func storageOf(u *unstructured.Unstructured) resource.Quantity {
	text, _, _ := unstructured.NestedString(u.Object, "spec", "resources", "requests", "storage")
	q, err := manifest.Quantity(text)
	if err != nil {
		return resource.Quantity{}
	}
	return q
}

// AmountsIn returns the amounts of a list of resources.
func AmountsIn(list corev1.ResourceList) Amounts {
	out := make(Amounts, len(list))
	for name, q := range list {
		out[string(name)] = q
	}
	return out
}

// Quota is what a ResourceQuota allows, and how much of that is used.
type Quota struct {
	Name       string
	Hard, Used Amounts
}

// OverdrawnBy says which amounts the quota does not have left; empty if it has all.
func (q Quota) OverdrawnBy(taken Amounts) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		more, used, hard := taken[name], q.Used[name], q.Hard[name]
		sum := more.DeepCopy()
		sum.Add(used)
		if !more.IsZero() && sum.Cmp(hard) > 0 {
			parts = append(parts, fmt.Sprintf("%s of %s, of which %s are used and %s allowed", more.String(), name, used.String(), hard.String()))
		}
	}
	return strings.Join(parts, "; ")
}
