package apply

import (
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// amounts are quantities by the names that quotas give them
// (https://kubernetes.io/docs/concepts/policy/resource-quotas/).
type amounts map[string]resource.Quantity

// excess is what a quota says of an object that it has no room for.
type excess struct {
	quota                    string
	requested, used, limited amounts
}

var exceeded = regexp.MustCompile(`exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)`)

// excessOf reads a quota's refusal; nil if err is none.
func excessOf(err error) *excess {
	if !apierrors.IsForbidden(err) {
		return nil
	}
	m := exceeded.FindStringSubmatch(err.Error())
	if m == nil {
		return nil
	}
	return &excess{quota: m[1], requested: amountsOf(m[2]), used: amountsOf(m[3]), limited: amountsOf(m[4])}
}

func amountsOf(text string) amounts {
	out := amounts{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		if q, err := quantity(value); err == nil {
			out[name] = q
		}
	}
	return out
}

// fits reports whether there is room once something is freed, or the quota has other
// limits; nil for those that it has.
func (e *excess) fits(freed, limits amounts) bool {
	if limits == nil {
		limits = e.limited
	}
	for name, requested := range e.requested {
		limit, limited := limits[name]
		if !limited {
			continue
		}
		left := requested.DeepCopy()
		left.Add(e.used[name])
		left.Sub(freed[name])
		if left.Cmp(limit) > 0 {
			return false
		}
	}
	return len(e.requested) > 0
}

// hardOf are the limits that a ResourceQuota sets.
func hardOf(quota *unstructured.Unstructured) amounts {
	hard, _, _ := unstructured.NestedMap(quota.Object, "spec", "hard")
	out := amounts{}
	for name, value := range hard {
		switch v := value.(type) {
		case string:
			if q, err := quantity(v); err == nil {
				out[name] = q
			}
		case int64:
			out[name] = *resource.NewQuantity(v, resource.DecimalSI)
		}
	}
	return out
}

// freedBy returns what the deletion of a live object frees of what a quota counts: the
// object itself, a claim's storage, a Service's ports. What a Pod takes is freed when it
// ends, not when it is deleted.
func freedBy(live *unstructured.Unstructured, of amounts) amounts {
	out := amounts{}
	if live.GetKind() == "Pod" {
		return out
	}
	one := *resource.NewQuantity(1, resource.DecimalSI)
	for name := range of {
		class, what, byClass := strings.Cut(name, ".storageclass.storage.k8s.io/")
		if !byClass {
			what = name
		} else if own, _, _ := unstructured.NestedString(live.Object, "spec", "storageClassName"); own != class {
			continue
		}
		switch {
		case what == "requests.storage":
			text, _, _ := unstructured.NestedString(live.Object, "spec", "resources", "requests", "storage")
			if q, err := quantity(text); err == nil {
				out[name] = q
			}
		case what == "services.nodeports":
			out[name] = *resource.NewQuantity(int64(len(nodePorts(live))), resource.DecimalSI)
		case what == "services.loadbalancers":
			if kind, _, _ := unstructured.NestedString(live.Object, "spec", "type"); kind == "LoadBalancer" {
				out[name] = one
			}
		case strings.HasPrefix(what, "count/"), !strings.ContainsAny(what, "./"):
			out[name] = one
		}
	}
	return out
}
