package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/apply/ownership"
)

// Homes lists the namespaces in which agents keep documents of their own; none if they may not
// be listed. A ConfigMap that a chart labelled in the same way in a release's namespace does
// not count.
func (s *Documents) Homes(ctx context.Context) ([]string, error) {
	found := map[string]bool{}
	opts := metav1.ListOptions{LabelSelector: ownership.Group + "/ledger", Limit: 500}
	for {
		list, err := s.client.own.metadata.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).List(ctx, opts)
		if apierrors.IsForbidden(err) || apierrors.IsResourceExpired(err) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("list the ledgers of all agents: %w", err)
		}
		for i := range list.Items {
			o := &list.Items[i]
			if o.Labels[ownership.LabelManagedBy] == ownership.FieldManager {
				found[o.Namespace] = true
			}
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			break
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}
