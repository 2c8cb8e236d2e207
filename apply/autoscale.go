package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/scaling"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

var ()

// Yield returns a release's objects as they are to be applied: without what is to
// be ignored of them and somebody else holds now (see drift.Yield), without the
// certificates that others inject, without the replicas of workloads that an autoscaler
// targets, and with claims as large as they are. As long as no autoscaler has set
// replicas yet they stay what they are in the cluster, whether they are wanted or not: a
// field that its only owner drops goes back to its default, one replica
// (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#migrating-deployments-and-statefulsets-to-horizontal-autoscaling).
// The given objects are not modified.
func (c *Cluster) Yield(ctx context.Context, rel plan.Owner, want, past []manifest.Object) ([]manifest.Object, error) {
	scaled := scaling.IntentOf(want, past)
	out := make([]manifest.Object, len(want))
	for i, o := range want {
		out[i] = o
		replicas, err := c.isScaled(ctx, o, scaled)
		if err != nil {
			return nil, err
		}
		ignored := manifest.IgnoredPaths(rel.Ignore, o.ID())
		before := manifest.Find(past, o.ID())
		keeps := !replicas && scaling.Scalable[o.ID().GroupKind()] && !scaling.HasReplicas(o.Unstructured) && before != nil && !scaling.HasReplicas(before)
		asked := replicas || keeps || claims(o) || len(ignored) > 0
		controlled := drift.MayBeControlled(o.Unstructured)
		if !asked && !controlled {
			continue
		}
		if err := c.Live.Watch(ctx, []*unstructured.Unstructured{o.Unstructured}); err != nil {
			return nil, err
		}
		live, watched := c.Live.Get(o.ID())
		if !watched && (asked || controlled && before != nil) { // else it is new: no controller has it yet
			if live, err = c.look(ctx, o.Unstructured); err != nil {
				return nil, err
			}
		}
		live = ownership.Inherited(live)
		switch {
		case live == nil:
		case claims(o):
			out[i].Unstructured = grown(o.Unstructured, live)
		case replicas, keeps && drift.OwnedBy(live, ownership.FieldManager, "spec", "replicas"):
			// What keeps its number was given it by us, while an autoscaler was there.
			out[i].Unstructured = leftTo(o.Unstructured, live, "spec", "replicas")
		}
		ignored = slices.Concat(ignored, drift.Controlled(o.Unstructured, live, ownership.FieldManager))
		out[i].Unstructured = drift.Yield(out[i].Unstructured, live, before, ownership.FieldManager, ignored)
	}
	return out, nil
}

// isScaled reports whether an autoscaler says how many replicas an object has.
func (c *Cluster) isScaled(ctx context.Context, o manifest.Object, s scaling.Intent) (bool, error) {
	if !scaling.HasReplicas(o.Unstructured) && !scaling.Scalable[o.ID().GroupKind()] {
		return false, nil
	}
	if s.Targets[o.ID()] {
		return true, nil
	}
	return c.scalers.target(ctx, o.ID(), s.Leaving)
}

// autoscalers follows the HorizontalPodAutoscalers of namespaces, whoever made
// them: KEDA's, a person's, a chart's. It is safe for concurrent use.
type autoscalers struct {
	cluster *Cluster
	mu      sync.Mutex
	spaces  map[string]*watch
}

// target reports whether an autoscaler of the namespace, but for some, targets an
// object. Who may not read them, or has none of that kind, gets none; that they can't be
// read is told by Live.Blind.
func (a *autoscalers) target(ctx context.Context, id manifest.ID, but map[manifest.ID]bool) (bool, error) {
	w, err := a.follow(id.Namespace)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	var blind *BlindError
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
func (a *autoscalers) follow(namespace string) (*watch, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.spaces[namespace]; w != nil {
		return w, nil
	}
	gvr := schema.GroupVersionResource{Group: scaling.AutoscalerKind.Group, Version: "v2", Resource: "horizontalpodautoscalers"}
	w := newWatch(watchKey{scaling.AutoscalerKind.WithVersion("v2"), namespace}, a.cluster.Dynamic.Resource(gvr).Namespace(namespace), a.cluster.Dynamic, "")
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
			a.cluster.Live.touch(scaling.TargetOf(h))
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
	go w.informer.RunWithContext(a.cluster.Lifetime)
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

// blind returns the namespaces whose autoscalers can't be read.
func (a *autoscalers) blind(now time.Time) []*BlindError {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*BlindError
	for _, w := range a.spaces {
		if b, ok := w.blind(now).(*BlindError); ok {
			out = append(out, b)
		}
	}
	return out
}
