package live

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/scaling"
	"github.com/xetys/tether/render/manifest"
)

// Autoscalers follows the HorizontalPodAutoscalers of namespaces, whoever made
// them: KEDA's, a person's, a chart's. It is safe for concurrent use.
type Autoscalers struct {
	client *kube.Client
	live   *Cache
	mu     sync.Mutex
	spaces map[string]*watch
}

// NewAutoscalers returns Autoscalers that follow no namespace yet.
func NewAutoscalers(client *kube.Client, live *Cache) *Autoscalers {
	return &Autoscalers{client: client, live: live, spaces: map[string]*watch{}}
}

// Target reports whether an autoscaler of the namespace, except those in but, targets an
// object. It is false if autoscalers may not be read or are not served; Unwatchable says so.
func (a *Autoscalers) Target(ctx context.Context, id manifest.ID, but map[manifest.ID]bool) (bool, error) {
	w, err := a.follow(id.Namespace)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	var blind *UnwatchableError
	switch err := w.synced(ctx); {
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err), errors.As(err, &blind):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read the autoscalers of namespace %s: %w", id.Namespace, err)
	}
	for _, o := range w.informer.GetStore().List() {
		h, ok := o.(*unstructured.Unstructured)
		if ok && scaling.TargetOf(h) == id && !isLeaving(h, but) {
			return true, nil
		}
	}
	return false, nil
}

// isLeaving reports whether an autoscaler, or who made it, is among those that go.
func isLeaving(h *unstructured.Unstructured, leaving map[manifest.ID]bool) bool {
	if leaving[manifest.IDOf(h)] {
		return true
	}
	for _, o := range h.GetOwnerReferences() {
		maker := &unstructured.Unstructured{Object: map[string]any{}}
		maker.SetAPIVersion(o.APIVersion)
		maker.SetKind(o.Kind)
		maker.SetNamespace(h.GetNamespace())
		maker.SetName(o.Name)
		if leaving[manifest.IDOf(maker)] {
			return true
		}
	}
	return false
}

// follow watches a namespace's autoscalers. What one targets, or no longer does, is
// looked at anew.
func (a *Autoscalers) follow(namespace string) (*watch, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.spaces[namespace]; w != nil {
		return w, nil
	}
	gvr := schema.GroupVersionResource{Group: scaling.AutoscalerKind.Group, Version: "v2", Resource: "horizontalpodautoscalers"}
	w := newWatch(watchKey{scaling.AutoscalerKind.WithVersion("v2"), namespace}, a.client.Dynamic.Resource(gvr).Namespace(namespace), a.client.Dynamic, "")
	w.answered = func(error) {}
	quiet := func(context.Context, *cache.Reflector, error) {} // Blind tells of it
	if err := errors.Join(w.informer.SetWatchErrorHandlerWithContext(quiet), w.informer.SetTransform(targeting)); err != nil {
		return nil, err
	}
	tell := func(o any) {
		if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = t.Obj
		}
		if h, ok := o.(*unstructured.Unstructured); ok {
			a.live.touch(scaling.TargetOf(h))
		}
	}
	_, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: tell, DeleteFunc: tell,
		UpdateFunc: func(before, after any) {
			if b, a := before.(*unstructured.Unstructured), after.(*unstructured.Unstructured); b.GetGeneration() != a.GetGeneration() {
				tell(before)
				tell(after)
			}
		}})
	if err != nil {
		return nil, err
	}
	go w.informer.RunWithContext(a.client.Lifetime)
	a.spaces[namespace] = w
	return w, nil
}

// targeting keeps of an autoscaler what tells its target and its maker.
func targeting(o any) (any, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	ref, _, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "scaleTargetRef")
	meta := map[string]any{}
	for _, k := range []string{"name", "namespace", "uid", "resourceVersion", "generation", "ownerReferences"} {
		if v, ok := manifest.AsMap(u.Object["metadata"])[k]; ok {
			meta[k] = v
		}
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind(), "metadata": meta,
		"spec": map[string]any{"scaleTargetRef": ref}}}, nil
}

// Unwatchable returns the namespaces whose autoscalers can't be read.
func (a *Autoscalers) Unwatchable(now time.Time) []*UnwatchableError {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*UnwatchableError
	for _, w := range a.spaces {
		if b, ok := w.unwatchable(now).(*UnwatchableError); ok {
			out = append(out, b)
		}
	}
	return out
}
