package inspect

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// inventoryKinds are the kinds by which a release is known to run: nearly every chart has one of
// them, and none stays when a release is uninstalled but by its own wish.
var inventoryKinds = []struct {
	schema.GroupVersionKind
	resource string
}{
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, "deployments"},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "StatefulSet"}, "statefulsets"},
	{schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "DaemonSet"}, "daemonsets"},
	{schema.GroupVersionKind{Version: "v1", Kind: "Service"}, "services"},
	{schema.GroupVersionKind{Version: "v1", Kind: "ServiceAccount"}, "serviceaccounts"},
	{schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, "configmaps"},
	{schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, "secrets"},
}

// Inventory returns the objects that the environment's releases have in a namespace, by the
// names of the releases, independently of records. For a release whose records were deleted
// they show that it runs, and which objects are no longer wanted. Only the kinds above are
// listed, without content; hooks and objects that are to be kept are left out, and so is a kind
// that may not be listed.
func (in *Inspector) Inventory(ctx context.Context, namespace string) (map[string][]manifest.Object, error) {
	out := map[string][]manifest.Object{}
	for _, kind := range inventoryKinds {
		opts := metav1.ListOptions{LabelSelector: ownership.LabelEnvironment + "=" + in.environment, Limit: 500}
		for {
			list, err := in.client.Metadata.Resource(kind.GroupVersion().WithResource(kind.resource)).Namespace(namespace).List(ctx, opts)
			if apierrors.IsForbidden(err) || apierrors.IsResourceExpired(err) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("list %s in namespace %s: %w", kind.resource, namespace, err)
			}
			for i := range list.Items {
				if o := &list.Items[i]; isApplied(o, namespace) {
					name := o.Annotations[ownership.AnnotRelease]
					out[name] = append(out[name], withoutContent(o, kind.GroupVersionKind))
				}
			}
			if opts.Continue = list.Continue; opts.Continue == "" {
				break
			}
		}
	}
	return out, nil
}

// isApplied reports whether an object is what a rollout of a release in the namespace left.
// A copy that a controller made of one bears the same annotations, and was not applied.
func isApplied(o *metav1.PartialObjectMetadata, namespace string) bool {
	a := o.Annotations
	return a[ownership.AnnotReleaseSpace] == namespace && a[ownership.AnnotKeep] == "" && a[ownership.AnnotHook] == "" && o.DeletionTimestamp == nil &&
		slices.ContainsFunc(o.ManagedFields, func(m metav1.ManagedFieldsEntry) bool {
			return m.Manager == ownership.FieldManager && m.Operation == metav1.ManagedFieldsOperationApply && m.Subresource == ""
		})
}

func withoutContent(o *metav1.PartialObjectMetadata, kind schema.GroupVersionKind) manifest.Object {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	u.SetNamespace(o.Namespace)
	u.SetName(o.Name)
	return manifest.Object{Unstructured: u}
}
