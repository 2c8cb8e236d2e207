package ssa

import (
	"context"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Inherit makes the agent the owner of the fields of Helm, or of the tool that kept the object
// until now.
func (a *Applier) Inherit(ctx context.Context, live *unstructured.Unstructured) error {
	_, err := a.takeOver(ctx, live, func(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error) {
		return ownership.Inheritance(live)
	})
	return err
}

// maxConflicts bounds how often an object may change while its managed fields are changed.
const maxConflicts = 5

// takeOver changes who owns what of an object, and begins anew when the object changed
// meanwhile, as a status does at any time. A change of nil is none. It returns the object
// as it is then.
func (a *Applier) takeOver(ctx context.Context, live *unstructured.Unstructured, change func(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error)) (*unstructured.Unstructured, error) {
	for try := 0; ; try++ {
		managed, err := change(live)
		if err == nil && managed == nil {
			return live, nil
		}
		var answer *unstructured.Unstructured
		if err == nil {
			answer, err = a.setManagedFields(ctx, live, managed)
		}
		if err == nil {
			return answer, nil
		}
		if !apierrors.IsConflict(err) || try == maxConflicts {
			return live, fmt.Errorf("take over fields of %s: %w", manifest.IDOf(live), err)
		}
		again, err := a.client.Read(ctx, live)
		if err != nil || again == nil {
			return live, err
		}
		live = again
	}
}

// Disown removes people's tools from the owners of fields that the agent owns too, and returns
// the object after that.
func (a *Applier) Disown(ctx context.Context, answer *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return a.takeOver(ctx, answer, func(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error) {
		managed, shared := drift.Disown(live, ownership.FieldManager, ownership.Tools)
		if !shared {
			return nil, nil
		}
		return managed, nil
	})
}

// setManagedFields replaces an object's managed fields, if it is still as it is known.
func (a *Applier) setManagedFields(ctx context.Context, live *unstructured.Unstructured, managed []metav1.ManagedFieldsEntry) (*unstructured.Unstructured, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": live.GetResourceVersion(), "managedFields": managed}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	answer := live.DeepCopy()
	return answer, a.client.Direct.Patch(ctx, answer, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(ownership.FieldManager))
}
