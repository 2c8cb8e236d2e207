// Package quota calculates with the amounts of ResourceQuotas: what a refusal asked for, what
// objects take and free, and whether there is room.
//
// It is pure, and does not know plans: objects and refusals are all that it reads.
package quota

import (
	"regexp"
	"strings"

	"github.com/xetys/tether/render/manifest"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Amounts are quantities by the names that quotas give them
// (https://kubernetes.io/docs/concepts/policy/resource-quotas/).
type Amounts map[string]resource.Quantity

// Excess is a quota's refusal of an object for which it has no room.
type Excess struct {
	Quota                    string
	Requested, used, limited Amounts
}

var exceeded = regexp.MustCompile(`exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)`)

// ExcessOf reads a quota's refusal; nil if err is none.
func ExcessOf(err error) *Excess {
	if !apierrors.IsForbidden(err) {
		return nil
	}
	m := exceeded.FindStringSubmatch(err.Error())
	if m == nil {
		return nil
	}
	return &Excess{Quota: m[1], Requested: amountsOf(m[2]), used: amountsOf(m[3]), limited: amountsOf(m[4])}
}

func amountsOf(text string) Amounts {
	out := Amounts{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		if q, err := manifest.Quantity(value); err == nil {
			out[name] = q
		}
	}
	return out
}

// Fits reports whether there is room after amounts are freed, and with other limits of the
// quota; nil limits are those that it has.
func (e *Excess) Fits(freed, limits Amounts) bool {
	if limits == nil {
		limits = e.limited
	}
	for name, requested := range e.Requested {
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
	return len(e.Requested) > 0
}

// LimitsOf are the limits that a ResourceQuota sets.
func LimitsOf(quota *unstructured.Unstructured) Amounts {
	hard, _, _ := unstructured.NestedMap(quota.Object, "spec", "hard")
	out := Amounts{}
	for name, value := range hard {
		switch v := value.(type) {
		case string:
			if q, err := manifest.Quantity(v); err == nil {
				out[name] = q
			}
		case int64:
			out[name] = *resource.NewQuantity(v, resource.DecimalSI)
		}
	}
	return out
}

// FreedBy returns what the deletion of a live object frees of what a quota counts: the
// object itself, a claim's storage, a Service's ports. What a Pod takes is freed when it
// ends, not when it is deleted.
func FreedBy(live *unstructured.Unstructured, of Amounts) Amounts {
	out := Amounts{}
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
			if q, err := manifest.Quantity(text); err == nil {
				out[name] = q
			}
		case what == "services.nodeports":
			out[name] = *resource.NewQuantity(int64(len(NodePorts(live))), resource.DecimalSI)
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
