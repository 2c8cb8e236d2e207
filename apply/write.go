package apply

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fluxcd/pkg/ssa"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// requestTimeout bounds a single request: an API server that hangs is as good as
// away.
const requestTimeout = 30 * time.Second

// oneWrite is the client that fluxcd/pkg/ssa works through for one object. It
// answers ssa's read from the live cache and its dry-run from the preflight, so
// that a write costs one request instead of three, and keeps the server's answer,
// which ssa itself drops.
type oneWrite struct {
	client.Client
	live, judged, answer *unstructured.Unstructured
}

// Get answers from what is known to be live.
func (w *oneWrite) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		return w.Client.Get(ctx, key, obj, opts...)
	}
	if w.live == nil {
		return apierrors.NewNotFound(schema.GroupResource{Group: u.GroupVersionKind().Group, Resource: u.GetKind()}, key.Name)
	}
	w.live.DeepCopyInto(u)
	return nil
}

// Patch answers a dry-run from the preflight and sends all else.
func (w *oneWrite) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	options := client.PatchOptions{}
	options.ApplyOptions(opts)
	u, ok := obj.(*unstructured.Unstructured)
	if ok && len(options.DryRun) > 0 && w.judged != nil {
		w.judged.DeepCopyInto(u)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if err := w.Client.Patch(ctx, obj, patch, opts...); err != nil {
		return err
	}
	if ok && len(options.DryRun) == 0 {
		w.answer = u
	}
	return nil
}

// write applies one object by server-side apply and remembers how it was left.
func (c *Cluster) write(ctx context.Context, ch Change) error {
	w := &oneWrite{Client: c.direct, live: ch.Live, judged: ch.judged}
	switch {
	case ch.Adopt:
		// Moving Helm's ownership makes the preflight's answer stale.
		w.judged = nil
	case ch.slim:
		w.live, _ = c.Live.Get(ch.ID)
		w.judged = ch.Object // all that counts is that it differs
	}
	m := ssa.NewResourceManager(w, nil, ssa.Owner{Field: FieldManager, Group: Group})
	opts := ssa.ApplyOptions{}
	if ch.Adopt {
		opts.Cleanup.FieldManagers = formerManagers
	}
	_, err := m.Apply(ctx, ch.Object.DeepCopy(), opts)
	if err != nil {
		return fmt.Errorf("apply %s: %w", ch.ID, err)
	}
	if w.answer == nil {
		// ssa does not look at owner references and finalizers, and so took the
		// object for unchanged.
		if w.answer, err = c.send(ctx, ch.Object); err != nil {
			return fmt.Errorf("apply %s: %w", ch.ID, err)
		}
	}
	if want := ch.Object.GetLabels()[LabelEnvironment]; w.answer.GetLabels()[LabelEnvironment] != want {
		return fmt.Errorf("apply %s: the API server took away its label %s=%s, by which it is watched: exempt the label from what mutates such objects",
			ch.ID, LabelEnvironment, want)
	}
	if managed, shared := drift.Disown(w.answer, FieldManager, tools); shared {
		if w.answer, err = c.manage(ctx, w.answer, managed); err != nil {
			return fmt.Errorf("take over fields of %s: %w", ch.ID, err)
		}
	}
	c.Live.wrote(w.answer)
	c.leave(ch.ID, ch.Object, w.answer)
	return nil
}

// strip removes what people's tools added to an object, as it was last left.
func (c *Cluster) strip(ctx context.Context, rel Owner, ch Change) error {
	live, ok := c.Live.Get(ch.ID)
	if !ok {
		return nil
	}
	patch, err := drift.Strip(live, FieldManager, tools, manifest.IgnoredPaths(rel.Ignore, ch.ID))
	if err != nil || patch == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer := live.DeepCopy()
	if err := c.direct.Patch(ctx, answer, client.RawPatch(types.JSONPatchType, patch), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("remove foreign fields of %s: %w", ch.ID, err)
	}
	c.Live.wrote(answer)
	c.leave(ch.ID, ch.Object, answer)
	return nil
}

// manage replaces an object's managed fields, if it is still as it is known.
func (c *Cluster) manage(ctx context.Context, live *unstructured.Unstructured, managed []metav1.ManagedFieldsEntry) (*unstructured.Unstructured, error) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": live.GetResourceVersion(), "managedFields": managed}})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer := live.DeepCopy()
	return answer, c.direct.Patch(ctx, answer, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldManager))
}

// send applies an object as it stands and returns the server's answer.
func (c *Cluster) send(ctx context.Context, u *unstructured.Unstructured, more ...client.ApplyOption) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer := u.DeepCopy()
	opts := append([]client.ApplyOption{client.ForceOwnership, client.FieldOwner(FieldManager)}, more...)
	if err := c.direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(answer), opts...); err != nil {
		return nil, err
	}
	return answer, nil
}

// remove deletes the very object that was planned to go, in the foreground of
// what it owns, and nothing that took its name since.
func (c *Cluster) remove(ctx context.Context, live *unstructured.Unstructured) error {
	uid := live.GetUID()
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	err := c.direct.Delete(ctx, live,
		client.PropagationPolicy(metav1.DeletePropagationBackground),
		client.Preconditions{UID: &uid})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone, or another object of the same name: not ours to delete
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", manifest.IDOf(live), err)
	}
	c.mu.Lock()
	delete(c.inPlace, manifest.IDOf(live))
	delete(c.judged, manifest.IDOf(live))
	c.mu.Unlock()
	return nil
}

// EnsureNamespace makes a namespace exist and carry the given labels. It owns
// nothing else of it, and never deletes it.
func (c *Cluster) EnsureNamespace(ctx context.Context, name string, labels map[string]string) error {
	want := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	want.SetName(name)
	live, err := c.read(ctx, want)
	if err != nil {
		return err
	}
	if live != nil && subset(labels, live.GetLabels()) {
		return nil
	}
	want.SetLabels(labels)
	if _, err := c.send(ctx, want); err != nil {
		return fmt.Errorf("create namespace %s: %w", name, err)
	}
	return nil
}

func subset(want, have map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}
