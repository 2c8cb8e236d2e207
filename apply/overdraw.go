package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// Overdrawn says which quotas have no room for all that some plans create, each of which
// would fit alone: the API server judges one object at a time. records are how many release
// records the plans' rollouts write in each namespace. Pods come from controllers later, and
// are not counted; quotas that may not be read say nothing.
func (c *Cluster) Overdrawn(ctx context.Context, plans []Plan, records map[string]int) ([]string, error) {
	news, limits := map[string][]Change{}, map[manifest.ID]amounts{}
	for _, p := range plans {
		for _, ch := range p.Changes {
			if ch.GroupKind() == quotaKind && ch.Object != nil {
				limits[ch.ID] = hardOf(ch.Object)
			}
			if ch.Object != nil && ch.Namespace != "" && (ch.Action == Create || ch.Action == Update || ch.Action == Deferred && ch.Live == nil) {
				news[ch.Namespace] = append(news[ch.Namespace], ch)
			}
		}
	}
	var out []string
	for _, namespace := range slices.Sorted(maps.Keys(news)) {
		quotas, err := c.quotasOf(ctx, namespace, limits)
		if err != nil {
			return nil, err
		}
		for _, q := range quotas {
			if text := q.overdrawnBy(c.takenBy(news[namespace], q.hard, records[namespace])); text != "" {
				out = append(out, fmt.Sprintf("what the commit creates in namespace %s has no room in its ResourceQuota %s, all together: %s: raise it, or bring less", namespace, q.name, text))
			}
		}
	}
	return out, nil
}

// quota is what a ResourceQuota allows, and how much of that is used.
type quota struct {
	name       string
	hard, used amounts
}

// quotasOf returns a namespace's quotas, with the limits that the commit sets. Those with
// scopes count pods alone.
func (c *Cluster) quotasOf(ctx context.Context, namespace string, limits map[manifest.ID]amounts) ([]quota, error) {
	var list *corev1.ResourceQuotaList
	err := persist(ctx, func() (err error) {
		list, err = c.kube.CoreV1().ResourceQuotas(namespace).List(ctx, metav1.ListOptions{})
		return err
	})
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the quotas of namespace %s: %w", namespace, err)
	}
	var out []quota
	for _, q := range list.Items {
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		one := quota{q.Name, amountsIn(q.Spec.Hard), amountsIn(q.Status.Used)}
		if set := limits[manifest.ID{Kind: quotaKind.Kind, Namespace: namespace, Name: q.Name}]; set != nil {
			one.hard = set
		}
		out = append(out, one)
	}
	return out, nil
}

func amountsIn(list corev1.ResourceList) amounts {
	out := make(amounts, len(list))
	for name, q := range list {
		out[string(name)] = q
	}
	return out
}

// overdrawnBy says of what there is not enough; empty if there is.
func (q quota) overdrawnBy(taken amounts) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(taken)) {
		more, used, hard := taken[name], q.used[name], q.hard[name]
		sum := more.DeepCopy()
		sum.Add(used)
		if !more.IsZero() && sum.Cmp(hard) > 0 {
			parts = append(parts, fmt.Sprintf("%s of %s, of which %s are used and %s allowed", more.String(), name, used.String(), hard.String()))
		}
	}
	return strings.Join(parts, "; ")
}

// takenBy adds up what changes, and records, take of what a quota counts.
func (c *Cluster) takenBy(changes []Change, of amounts, records int) amounts {
	out := amounts{}
	add := func(name string, q resource.Quantity) {
		sum := out[name]
		sum.Add(q)
		out[name] = sum
	}
	for name := range of {
		if name == "secrets" || name == "count/secrets" {
			add(name, *resource.NewQuantity(int64(records), resource.DecimalSI))
		}
		for _, ch := range changes {
			if ch.Action == Update {
				add(name, growth(ch, name))
				continue
			}
			if m, err := c.mapper.RESTMapping(ch.GroupKind()); err == nil {
				add(name, takes(ch.Object, m.Resource.GroupResource(), name))
			}
		}
	}
	return out
}

// takes is how much of one amount that a quota counts a new object takes.
func takes(u *unstructured.Unstructured, of schema.GroupResource, amount string) resource.Quantity {
	one, none := *resource.NewQuantity(1, resource.DecimalSI), resource.Quantity{}
	spec := stringMap(u.Object["spec"])
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
	q, err := quantity(text)
	if err != nil {
		return resource.Quantity{}
	}
	return q
}

// growth is by how much of a quota's storage a claim grows.
func growth(ch Change, amount string) resource.Quantity {
	if ch.GroupKind() != claimKind || amount != "requests.storage" {
		return resource.Quantity{}
	}
	for _, f := range ch.Drift {
		if f.Path != "spec.resources.requests.storage" {
			continue
		}
		want, err := quantity(strings.Trim(f.Want, `"`))
		have, err2 := quantity(strings.Trim(f.Have, `"`))
		if err == nil && err2 == nil && want.Cmp(have) > 0 {
			want.Sub(have)
			return want
		}
	}
	return resource.Quantity{}
}
