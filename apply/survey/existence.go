package survey

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/plan"
)

// Exists reports whether there is an object of the same kind and name.
func (v *Surveyor) Exists(ctx context.Context, u *unstructured.Unstructured, provisions plan.Provisions) (bool, error) {
	if !provisions.Absent[u.GetNamespace()] {
		live, err := v.client.Read(ctx, u)
		return live != nil, err
	}
	return v.listed(ctx, u, provisions)
}

// listed reports whether an object's name is among those of its kind, which are listed
// once for all objects that come.
func (v *Surveyor) listed(ctx context.Context, u *unstructured.Unstructured, provisions plan.Provisions) (bool, error) {
	all, err := provisions.Names.Of(u.GroupVersionKind(), u.GetNamespace(), func() (map[string]bool, error) { return v.namesOf(ctx, u) })
	return all[u.GetName()], err
}

// namesOf lists the names of a kind's objects in an object's namespace.
func (v *Surveyor) namesOf(ctx context.Context, u *unstructured.Unstructured) (map[string]bool, error) {
	list := &metav1.PartialObjectMetadataList{}
	gvk := u.GroupVersionKind()
	gvk.Kind += "List"
	list.SetGroupVersionKind(gvk)
	if err := v.client.Direct.List(ctx, list, client.InNamespace(u.GetNamespace())); err != nil {
		return nil, fmt.Errorf("list %s in namespace %s: %w", u.GroupVersionKind().GroupKind(), u.GetNamespace(), err)
	}
	all := make(map[string]bool, len(list.Items))
	for _, o := range list.Items {
		all[o.Name] = true
	}
	return all, nil
}
