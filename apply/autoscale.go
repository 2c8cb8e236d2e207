package apply

import (
	"context"
	"maps"
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// autoscalers follows the HorizontalPodAutoscalers of namespaces, whoever made
// them: KEDA's, a person's, a chart's. It is safe for concurrent use.
type autoscalers struct {
	cluster *Cluster
	mu      sync.Mutex
	spaces  map[string]informers.SharedInformerFactory
}

var autoscalerKind = schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}

// scalable are the kinds whose replicas an autoscaler may own.
var scalable = map[schema.GroupKind]bool{
	{Group: "apps", Kind: "Deployment"}:  true,
	{Group: "apps", Kind: "StatefulSet"}: true,
	{Group: "apps", Kind: "ReplicaSet"}:  true,
}

// Yield returns a release's objects as they are to be applied: without what is to
// be ignored of them and somebody else holds now (see drift.Yield), and without the
// replicas of workloads that an autoscaler targets. As long as no autoscaler has
// set them yet they stay what they are in the cluster, since a field that its only
// owner drops goes back to its default: one replica
// (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#migrating-deployments-and-statefulsets-to-horizontal-autoscaling).
// The given objects are not modified.
func (c *Cluster) Yield(ctx context.Context, rel Owner, want, past []manifest.Object) ([]manifest.Object, error) {
	targets := map[manifest.ID]bool{}
	for _, o := range want {
		if o.ID().GroupKind() == autoscalerKind {
			targets[targetOf(o.Unstructured)] = true
		}
	}
	out := make([]manifest.Object, len(want))
	for i, o := range want {
		out[i] = o
		_, has, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", "replicas")
		scaled := scalable[o.ID().GroupKind()] && has && (targets[o.ID()] || c.scalers.target(ctx, o.ID()))
		ignored := manifest.IgnoredPaths(rel.Ignore, o.ID())
		if !scaled && len(ignored) == 0 {
			continue
		}
		if err := c.Live.Watch(ctx, []*unstructured.Unstructured{o.Unstructured}); err != nil {
			return nil, err
		}
		live, err := c.look(ctx, o.Unstructured)
		if err != nil {
			return nil, err
		}
		if live != nil && scaled {
			out[i].Unstructured = yielded(o.Unstructured, live)
		}
		out[i].Unstructured = drift.Yield(out[i].Unstructured, live, find(past, o.ID()), FieldManager, ignored)
	}
	return out, nil
}

// find returns the object of an identity; nil if there is none.
func find(objects []manifest.Object, id manifest.ID) *unstructured.Unstructured {
	for _, o := range objects {
		if o.ID() == id {
			return o.Unstructured
		}
	}
	return nil
}

func yielded(want, live *unstructured.Unstructured) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: maps.Clone(want.Object)}
	spec := maps.Clone(stringMap(u.Object["spec"]))
	u.Object["spec"] = spec
	if now, ok := stringMap(live.Object["spec"])["replicas"]; ok && !drift.OwnedByOthers(live, FieldManager, "spec", "replicas") {
		spec["replicas"] = now
	} else {
		delete(spec, "replicas")
	}
	return u
}

func targetOf(autoscaler *unstructured.Unstructured) manifest.ID {
	version, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", "apiVersion")
	kind, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", "kind")
	name, _, _ := unstructured.NestedString(autoscaler.Object, "spec", "scaleTargetRef", "name")
	return targetID(version, kind, autoscaler.GetNamespace(), name)
}

func targetID(version, kind, namespace, name string) manifest.ID {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetAPIVersion(version)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return manifest.IDOf(u)
}

func targetOfTyped(h *autoscalingv2.HorizontalPodAutoscaler) manifest.ID {
	t := h.Spec.ScaleTargetRef
	return targetID(t.APIVersion, t.Kind, h.Namespace, t.Name)
}

// scalerPatience is how long a namespace's autoscalers are waited for: who may
// not read them gets none, and goes on.
const scalerPatience = 5 * time.Second

// target reports whether an autoscaler of the namespace targets an object.
func (a *autoscalers) target(ctx context.Context, id manifest.ID) bool {
	f, err := a.follow(id.Namespace)
	if err != nil {
		return false
	}
	informer := f.Autoscaling().V2().HorizontalPodAutoscalers()
	ctx, cancel := context.WithTimeout(ctx, scalerPatience)
	defer cancel()
	if !cache.WaitForCacheSync(ctx.Done(), informer.Informer().HasSynced) {
		return false
	}
	all, err := informer.Lister().HorizontalPodAutoscalers(id.Namespace).List(labels.Everything())
	for _, h := range all {
		if err == nil && targetOfTyped(h) == id {
			return true
		}
	}
	return false
}

// follow watches a namespace's autoscalers. What one targets, or no longer does, is
// looked at anew.
func (a *autoscalers) follow(namespace string) (informers.SharedInformerFactory, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.spaces[namespace]; f != nil {
		return f, nil
	}
	f := informers.NewSharedInformerFactoryWithOptions(a.cluster.kube, 0, informers.WithNamespace(namespace), informers.WithTransform(slim))
	tell := func(o any) {
		if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = t.Obj
		}
		if h, ok := o.(*autoscalingv2.HorizontalPodAutoscaler); ok {
			a.cluster.Live.touch(targetOfTyped(h))
		}
	}
	_, err := f.Autoscaling().V2().HorizontalPodAutoscalers().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: tell, DeleteFunc: tell,
		UpdateFunc: func(before, after any) {
			if b, a := before.(*autoscalingv2.HorizontalPodAutoscaler), after.(*autoscalingv2.HorizontalPodAutoscaler); b.Generation != a.Generation {
				tell(before)
				tell(after)
			}
		}})
	if err != nil {
		return nil, err
	}
	f.StartWithContext(a.cluster.Live.stop)
	a.spaces[namespace] = f
	return f, nil
}
