package apply

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source/printable"
)

// podWatch is one rollout's share in what is known of a namespace's pods.
type podWatch struct {
	*podCache
	stop func()
}

// podCache follows the pods of one namespace, and the ReplicaSets that made them,
// while rollouts wait there.
type podCache struct {
	pods   corelisters.PodNamespaceLister
	sets   appslisters.ReplicaSetNamespaceLister
	synced func() bool
	cancel context.CancelFunc

	mu    sync.Mutex
	users map[chan struct{}][]controller // what each waits for
}

// controller is what makes pods or ReplicaSets.
type controller struct{ kind, name string }

// podLinger is how long a namespace's pods are followed after the last rollout
// waited there: the next one often comes soon.
const podLinger = 10 * time.Second

// watchPods begins to follow a namespace's pods, if that is not done already, and
// tells a channel of those of some workloads.
func (c *Cluster) watchPods(namespace string, of []manifest.ID, changed chan struct{}) (*podWatch, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pods[namespace]
	if p == nil {
		var err error
		if p, err = c.followPods(namespace); err != nil {
			return nil, err
		}
		c.pods[namespace] = p
	}
	w := &podWatch{podCache: p}
	workloads := []controller{}
	for _, id := range of {
		if id.Namespace == namespace {
			workloads = append(workloads, controller{id.Kind, id.Name})
		}
	}
	p.mu.Lock()
	p.users[changed] = workloads
	p.mu.Unlock()
	w.stop = func() {
		p.leave(changed)
		time.AfterFunc(podLinger, func() { c.unfollow(namespace, p) })
	}
	return w, nil
}

func (p *podCache) leave(user chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.users, user)
}

// wake tells who waits for what made a pod or a ReplicaSet. A thousand rollouts of a
// namespace must not look whenever one of them has news.
func (p *podCache) wake(o any) {
	if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = t.Obj
	}
	var makers []controller
	if object, ok := o.(metav1.Object); ok {
		makers = p.makersOf(object)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for ch, workloads := range p.users {
		if len(makers) == 0 || slices.ContainsFunc(workloads, func(w controller) bool { return slices.Contains(makers, w) }) {
			live.Wake(ch)
		}
	}
}

// makersOf returns an object's controller and that one's own; none if nobody knows.
func (p *podCache) makersOf(o metav1.Object) []controller {
	owner := metav1.GetControllerOf(o)
	if owner == nil {
		return nil
	}
	makers := []controller{{owner.Kind, owner.Name}}
	if owner.Kind != "ReplicaSet" {
		return makers
	}
	set, err := p.sets.Get(owner.Name)
	if err != nil {
		return makers // its own event comes, and is about its controller
	}
	if owner = metav1.GetControllerOf(set); owner != nil {
		makers = append(makers, controller{owner.Kind, owner.Name})
	}
	return makers
}

// unfollow ends a namespace's watches when no rollout waits there any more.
func (c *Cluster) unfollow(namespace string, p *podCache) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.pods[namespace] == p && len(p.users) == 0 {
		p.cancel()
		delete(c.pods, namespace)
	}
}

func (c *Cluster) followPods(namespace string) (*podCache, error) {
	ctx, cancel := context.WithCancel(c.Lifetime)
	factory := informers.NewSharedInformerFactoryWithOptions(c.Typed, 0, informers.WithNamespace(namespace), informers.WithTransform(slim))
	pods, sets := factory.Core().V1().Pods(), factory.Apps().V1().ReplicaSets()
	p := &podCache{pods: pods.Lister().Pods(namespace), sets: sets.Lister().ReplicaSets(namespace), cancel: cancel, users: map[chan struct{}][]controller{},
		synced: func() bool { return pods.Informer().HasSynced() && sets.Informer().HasSynced() }}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), sets.Informer()} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    p.wake,
			UpdateFunc: func(_, o any) { p.wake(o) },
			DeleteFunc: p.wake,
		}); err != nil {
			cancel()
			return nil, err
		}
	}
	factory.StartWithContext(ctx)
	go func() {
		factory.WaitForCacheSync(ctx.Done())
		p.wake(nil)
	}()
	return p, nil
}

// slim drops what no reason is read from.
func slim(o any) (any, error) {
	switch o := o.(type) {
	case *corev1.Pod:
		o.ManagedFields, o.Spec.Volumes = nil, nil
	case *appsv1.ReplicaSet:
		o.ManagedFields, o.Spec.Template = nil, corev1.PodTemplateSpec{}
	}
	return o, nil
}

// workloads are the kinds whose pods say why they are not ready.
var workloads = map[schema.GroupKind]bool{
	{Group: "apps", Kind: "Deployment"}:  true,
	{Group: "apps", Kind: "StatefulSet"}: true,
	{Group: "apps", Kind: "DaemonSet"}:   true,
	{Group: "apps", Kind: "ReplicaSet"}:  true,
	{Group: "batch", Kind: "Job"}:        true,
}

// hasPods reports whether pods say of an object why it is not healthy.
func hasPods(id manifest.ID) bool { return workloads[id.GroupKind()] || id.GroupKind() == plan.PodKind }

// of returns a workload's pods that are not on their way out: those of its newest
// revision, and those that are to be replaced.
func (w *podCache) of(id manifest.ID, live *unstructured.Unstructured) (newest, former []*corev1.Pod) {
	selector, err := selectorOf(live)
	if err != nil || !w.synced() {
		return nil, nil
	}
	pods, err := w.pods.List(selector)
	if err != nil {
		return nil, nil
	}
	for _, p := range pods {
		switch {
		case p.DeletionTimestamp != nil || w.others(id, live, p):
		case w.newest(id, live, p):
			newest = append(newest, p)
		default:
			former = append(former, p)
		}
	}
	return newest, former
}

// others reports whether a pod is known to be another workload's: selectors may
// overlap.
func (w *podCache) others(id manifest.ID, live *unstructured.Unstructured, p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	if owner == nil || owner.UID == live.GetUID() {
		return false
	}
	if id.Kind != "Deployment" || owner.Kind != "ReplicaSet" {
		return true
	}
	set, err := w.sets.Get(owner.Name)
	return err == nil && !metav1.IsControlledBy(set, live)
}

func selectorOf(live *unstructured.Unstructured) (labels.Selector, error) {
	raw, ok, err := unstructured.NestedMap(live.Object, "spec", "selector")
	if err != nil || !ok {
		return nil, fmt.Errorf("no selector")
	}
	var s metav1.LabelSelector
	if err := fromMap(raw, &s); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(&s)
}

const revision = "deployment.kubernetes.io/revision"

// newest reports whether a pod belongs to the workload's newest revision: the
// crash of a pod that a rollout is about to replace says nothing about it. What
// can't be told counts as newest.
func (w *podCache) newest(id manifest.ID, live *unstructured.Unstructured, p *corev1.Pod) bool {
	switch id.Kind {
	case "StatefulSet":
		update, _, _ := unstructured.NestedString(live.Object, "status", "updateRevision")
		return update == "" || p.Labels[appsv1.ControllerRevisionHashLabelKey] == update
	case "DaemonSet":
		// Its status names no revision; its controller goes by the template's generation too.
		template, pod := live.GetAnnotations()[appsv1.DeprecatedTemplateGeneration], p.Labels["pod-template-generation"]
		return template == "" || pod == "" || template == pod
	case "Deployment":
		owner := metav1.GetControllerOf(p)
		if owner == nil || owner.Kind != "ReplicaSet" {
			return true
		}
		rs, err := w.sets.Get(owner.Name)
		return err != nil || rs.Annotations[revision] == live.GetAnnotations()[revision]
	}
	return true
}

// makers are the objects whose events tell why a workload has no pods: what was to
// make them, and itself.
func (w *podCache) makers(live *unstructured.Unstructured) []types.UID {
	var out []types.UID
	sets, err := w.sets.List(labels.Everything())
	for _, rs := range sets {
		if err == nil && metav1.IsControlledBy(rs, live) && rs.Annotations[revision] == live.GetAnnotations()[revision] {
			out = append(out, rs.UID)
		}
	}
	return append(out, live.GetUID())
}

// What is read of the events about an object, and shown of one: whoever may write events may
// write thousands, of a MiB each.
const (
	mostWarnings   = 30
	longestWarning = 1024 // as kubelets and controllers bound it
)

// warning returns the newest warning that the cluster has about the first of some
// objects that it has one about, empty if there is none or it can't be had: it is
// said beside a reason that is known.
func (c *Cluster) warning(ctx context.Context, namespace string, about []types.UID) string {
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	for _, uid := range about {
		list, err := c.Typed.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{Limit: mostWarnings,
			FieldSelector: fmt.Sprintf("involvedObject.uid=%s,type=%s", uid, corev1.EventTypeWarning)})
		if err != nil || len(list.Items) == 0 {
			continue
		}
		newest := slices.MaxFunc(list.Items, func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b)) })
		return printable.Line(newest.Message, longestWarning)
	}
	return ""
}

func eventTime(e corev1.Event) time.Time {
	for _, t := range []time.Time{e.LastTimestamp.Time, e.EventTime.Time} {
		if !t.IsZero() {
			return t
		}
	}
	return e.CreationTimestamp.Time
}
