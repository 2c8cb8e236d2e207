package apply

import (
	"context"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// write applies one object by server-side apply and remembers how it was left.
func (c *Cluster) write(ctx context.Context, rel plan.Owner, ch plan.Change) error {
	if ch.Adopt {
		if err := c.inherit(ctx, ch.Live); err != nil {
			return err
		}
	}
	object, version, err := follow(ctx, c, rel, ch.Object)
	if err != nil {
		return err
	}
	ch.Object = object
	answer, err := c.submit(ctx, at(object, version))
	if err != nil {
		return fmt.Errorf("apply %s: %w", ch.ID, err)
	}
	if want := ch.Object.GetLabels()[ownership.LabelEnvironment]; answer.GetLabels()[ownership.LabelEnvironment] != want {
		return fmt.Errorf("apply %s: the API server took away its label %s=%s, by which it is watched: exempt the label from what mutates such objects",
			ch.ID, ownership.LabelEnvironment, want)
	}
	if answer, err = c.disown(ctx, answer); err != nil {
		return err
	}
	c.Live.Wrote(answer)
	c.Leave(ch.ID, ch.Object, answer)
	return nil
}

// disown takes from people's tools what we own too, and returns the object as it is then.
func (c *Cluster) disown(ctx context.Context, answer *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return c.takeOver(ctx, answer, func(live *unstructured.Unstructured) ([]metav1.ManagedFieldsEntry, error) {
		managed, shared := drift.Disown(live, ownership.FieldManager, ownership.Tools)
		if !shared {
			return nil, nil
		}
		return managed, nil
	})
}

// strip removes what people's tools added to an object, as it was last left.
func (c *Cluster) strip(ctx context.Context, rel plan.Owner, ch plan.Change) error {
	live, ok := c.Live.Get(ch.ID)
	if !ok {
		return nil
	}
	patch, err := drift.Strip(live, ownership.FieldManager, ownership.Tools, rel.Leaves(ch.ID, live))
	if err != nil || patch == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	answer := live.DeepCopy()
	if err := c.Direct.Patch(ctx, answer, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(ownership.FieldManager)); err != nil {
		return fmt.Errorf("remove foreign fields of %s: %w", ch.ID, err)
	}
	c.Live.Wrote(answer)
	c.Leave(ch.ID, ch.Object, answer)
	return nil
}

// manage replaces an object's managed fields, if it is still as it is known.
func (c *Cluster) manage(ctx context.Context, live *unstructured.Unstructured, managed []metav1.ManagedFieldsEntry) (*unstructured.Unstructured, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": live.GetResourceVersion(), "managedFields": managed}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	answer := live.DeepCopy()
	return answer, c.Direct.Patch(ctx, answer, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(ownership.FieldManager))
}

// remove deletes the very object that was planned to go, in the foreground of
// what it owns, and nothing that took its name since.
func (c *Cluster) remove(ctx context.Context, live *unstructured.Unstructured) error {
	if err := c.Delete(ctx, live); err != nil {
		return err
	}
	c.Placements.Forget(manifest.IDOf(live))
	c.forgetHealth([]manifest.ID{manifest.IDOf(live)})
	return nil
}
