package kube

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/discovery"

	"github.com/xetys/tether/apply/apierror"
)

// repeated asks the API server what it can do, and sends again what met trouble of the way: a
// discovery is many requests, of which one that fails would spoil all. It is safe for
// concurrent use.
type repeated struct{ *discovery.DiscoveryClient }

// ServerVersionWithContext returns the API server's version.
func (r repeated) ServerVersionWithContext(ctx context.Context) (info *version.Info, err error) {
	err = apierror.Retry(ctx, func() error {
		info, err = r.DiscoveryClient.ServerVersionWithContext(ctx)
		return err
	})
	return info, err
}

// GroupsAndMaybeResourcesWithContext returns the groups, and from servers that tell them
// together their resources.
func (r repeated) GroupsAndMaybeResourcesWithContext(ctx context.Context) (
	groups *metav1.APIGroupList, resources map[schema.GroupVersion]*metav1.APIResourceList, failed map[schema.GroupVersion]error, err error,
) {
	err = apierror.Retry(ctx, func() error {
		groups, resources, failed, err = r.DiscoveryClient.GroupsAndMaybeResourcesWithContext(ctx)
		return err
	})
	return groups, resources, failed, err
}

// ServerResourcesForGroupVersionWithContext returns the resources of one version of a group.
func (r repeated) ServerResourcesForGroupVersionWithContext(ctx context.Context, groupVersion string) (list *metav1.APIResourceList, err error) {
	err = apierror.Retry(ctx, func() error {
		list, err = r.DiscoveryClient.ServerResourcesForGroupVersionWithContext(ctx, groupVersion)
		return err
	})
	return list, err
}
