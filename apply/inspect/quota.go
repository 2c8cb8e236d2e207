package inspect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/quota"
	"github.com/xetys/tether/render/manifest"
)

// OverQuota says which quotas have no room for all that some plans create, each of which would
// fit alone: the API server judges one object at a time. records are how many release records
// the plans' rollouts write in each namespace. Pods are not counted, since controllers create
// them later; quotas that may not be read are left out.
func (in *Inspector) OverQuota(ctx context.Context, plans []plan.Plan, records map[string]int) ([]string, error) {
	news, limits := map[string][]plan.Change{}, map[manifest.ID]quota.Amounts{}
	for _, p := range plans {
		for _, ch := range p.Changes {
			if ch.GroupKind() == plan.QuotaKind && ch.Object != nil {
				limits[ch.ID] = quota.LimitsOf(ch.Object)
			}
			if ch.Object != nil && ch.Namespace != "" && (ch.Action == plan.Create || ch.Action == plan.Update || ch.Action == plan.Deferred && ch.Live == nil) {
				news[ch.Namespace] = append(news[ch.Namespace], ch)
			}
		}
	}
	var out []string
	for _, namespace := range slices.Sorted(maps.Keys(news)) {
		quotas, err := in.quotasOf(ctx, namespace, limits)
		if err != nil {
			return nil, err
		}
		for _, q := range quotas {
			if text := q.OverdrawnBy(in.takenBy(news[namespace], q.Hard, records[namespace])); text != "" {
				out = append(out, fmt.Sprintf("what the commit creates in namespace %s has no room in its ResourceQuota %s, all together: %s: raise it, or bring less", namespace, q.Name, text))
			}
		}
	}
	return out, nil
}

// quotasOf returns a namespace's quotas, with the limits that the commit sets. Those with
// scopes count pods alone.
func (in *Inspector) quotasOf(ctx context.Context, namespace string, limits map[manifest.ID]quota.Amounts) ([]quota.Quota, error) {
	list, err := in.client.Typed.CoreV1().ResourceQuotas(namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the quotas of namespace %s: %w", namespace, err)
	}
	var out []quota.Quota
	for _, q := range list.Items {
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		one := quota.Quota{Name: q.Name, Hard: quota.AmountsIn(q.Spec.Hard), Used: quota.AmountsIn(q.Status.Used)}
		if set := limits[manifest.ID{Kind: plan.QuotaKind.Kind, Namespace: namespace, Name: q.Name}]; set != nil {
			one.Hard = set
		}
		out = append(out, one)
	}
	return out, nil
}

// takenBy adds up what changes, and records, take of what a quota counts.
func (in *Inspector) takenBy(changes []plan.Change, of quota.Amounts, records int) quota.Amounts {
	out := quota.Amounts{}
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
			if ch.Action == plan.Update {
				add(name, growth(ch, name))
				continue
			}
			if m, err := in.client.Mapper.RESTMapping(ch.GroupKind()); err == nil {
				add(name, quota.Takes(ch.Object, m.Resource.GroupResource(), name))
			}
		}
	}
	return out
}

// growth is by how much of a quota's storage a claim grows.
func growth(ch plan.Change, amount string) resource.Quantity {
	if ch.GroupKind() != plan.ClaimKind || amount != "requests.storage" {
		return resource.Quantity{}
	}
	for _, f := range ch.Drift {
		if f.Path != "spec.resources.requests.storage" {
			continue
		}
		want, err := manifest.Quantity(strings.Trim(f.Want, `"`))
		have, err2 := manifest.Quantity(strings.Trim(f.Have, `"`))
		if err == nil && err2 == nil && want.Cmp(have) > 0 {
			want.Sub(have)
			return want
		}
	}
	return resource.Quantity{}
}
