package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
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

	"github.com/xetys/tether/render/manifest"
)

// podWatch is one rollout's share in what is known of a namespace's pods.
type podWatch struct {
	*podCache
	changed chan struct{}
	stop    func()
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
// tells of those of some workloads.
func (c *Cluster) watchPods(namespace string, of []manifest.ID) (*podWatch, error) {
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
	w := &podWatch{podCache: p, changed: make(chan struct{}, 1)}
	workloads := []controller{}
	for _, id := range of {
		if id.Namespace == namespace {
			workloads = append(workloads, controller{id.Kind, id.Name})
		}
	}
	p.mu.Lock()
	p.users[w.changed] = workloads
	p.mu.Unlock()
	w.stop = func() {
		p.leave(w.changed)
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
			wake(ch)
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
	ctx, cancel := context.WithCancel(c.Live.stop)
	factory := informers.NewSharedInformerFactoryWithOptions(c.kube, 0, informers.WithNamespace(namespace), informers.WithTransform(slim))
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
	case *autoscalingv2.HorizontalPodAutoscaler:
		o.ManagedFields, o.Annotations, o.Status = nil, nil, autoscalingv2.HorizontalPodAutoscalerStatus{}
	}
	return o, nil
}

// trouble is what keeps a pod from becoming ready.
type trouble struct {
	reason string        // a sentence: which pod, which container, what
	grace  time.Duration // how long it may last before it is final; 0: it is not by itself
	pod    *corev1.Pod
}

// graces are how long a container may wait for a reason before no more hope is
// held: registries have hiccups, and a process that crashes once may find its
// database on the next try. The values are the kubelet's back-off, which starts
// at 10 s, seen once and twice.
var graces = map[string]time.Duration{
	"ImagePullBackOff":           10 * time.Second,
	"ErrImageNeverPull":          time.Second,
	"InvalidImageName":           time.Second,
	"CrashLoopBackOff":           20 * time.Second,
	"CreateContainerConfigError": 60 * time.Second,
	"CreateContainerError":       60 * time.Second,
	"RunContainerError":          60 * time.Second,
}

// podTrouble returns what a person would look up first on a pod, or nil.
func podTrouble(p *corev1.Pod) *trouble {
	statuses := append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...)
	for _, s := range statuses {
		if w := s.State.Waiting; w != nil && graces[w.Reason] > 0 {
			return &trouble{reason: containerReason(p, s), grace: graces[w.Reason]}
		}
	}
	for _, s := range statuses {
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return &trouble{reason: fmt.Sprintf("pod %s: container %s ended with exit code %d%s", p.Name, s.Name, t.ExitCode, exitReason(t))}
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return &trouble{reason: fmt.Sprintf("pod %s can't be scheduled: %s", p.Name, c.Message)}
		}
	}
	for _, s := range statuses {
		if s.State.Running != nil && !s.Ready {
			return &trouble{reason: fmt.Sprintf("pod %s runs, but container %s is not ready", p.Name, s.Name)}
		}
	}
	return nil
}

// exitReason says why a container ended, where that is more than "Error".
func exitReason(t *corev1.ContainerStateTerminated) string {
	if t.Reason == "" || t.Reason == "Error" {
		return ""
	}
	return " (" + t.Reason + ")"
}

func containerReason(p *corev1.Pod, s corev1.ContainerStatus) string {
	w := s.State.Waiting
	text := fmt.Sprintf("pod %s: container %s: %s", p.Name, s.Name, w.Reason)
	if t := s.LastTerminationState.Terminated; t != nil {
		text += fmt.Sprintf(" (exit code %d, %d restarts)%s", t.ExitCode, s.RestartCount, exitReason(t))
	}
	if w.Reason == "ImagePullBackOff" || w.Reason == "InvalidImageName" || w.Reason == "ErrImageNeverPull" {
		return text + " of image " + s.Image
	}
	if w.Message != "" && w.Reason != "CrashLoopBackOff" {
		text += ": " + w.Message
	}
	return text
}

// workloads are the kinds whose pods say why they are not ready.
var workloads = map[schema.GroupKind]bool{
	{Group: "apps", Kind: "Deployment"}:  true,
	{Group: "apps", Kind: "StatefulSet"}: true,
	{Group: "apps", Kind: "DaemonSet"}:   true,
	{Group: "apps", Kind: "ReplicaSet"}:  true,
	{Group: "batch", Kind: "Job"}:        true,
}

// troubleOf looks through a workload's pods of its newest revision.
func (w *podCache) troubleOf(id manifest.ID, live *unstructured.Unstructured) *trouble {
	selector, err := selectorOf(live)
	if err != nil || !w.synced() {
		return nil
	}
	pods, err := w.pods.List(selector)
	if err != nil {
		return nil
	}
	var worst *trouble
	for _, p := range pods {
		t := podTrouble(p)
		if t == nil || p.DeletionTimestamp != nil || !w.newest(id, live, p) {
			continue
		}
		t.pod = p
		// The one with a grace is worse; among equals the first by name, so that
		// the message does not flap.
		if worst == nil || t.grace > 0 && worst.grace == 0 || (t.grace > 0) == (worst.grace > 0) && p.Name < worst.pod.Name {
			worst = t
		}
	}
	return worst
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

// suspects are the objects whose events tell why a workload is not ready: its
// troubled pod, what was to make its pods, and itself.
func (w *podCache) suspects(id manifest.ID, live *unstructured.Unstructured) []types.UID {
	var out []types.UID
	if t := w.troubleOf(id, live); t != nil {
		out = append(out, t.pod.UID)
	}
	sets, err := w.sets.List(labels.Everything())
	for _, rs := range sets {
		if err == nil && metav1.IsControlledBy(rs, live) && rs.Annotations[revision] == live.GetAnnotations()[revision] {
			out = append(out, rs.UID)
		}
	}
	return append(out, live.GetUID())
}

// warning returns the newest warning that the cluster has about the first of some
// objects that it has one about, empty if there is none or it can't be had: it is
// said beside a reason that is known.
func (c *Cluster) warning(ctx context.Context, namespace string, about []types.UID) string {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for _, uid := range about {
		list, err := c.kube.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{
			FieldSelector: fmt.Sprintf("involvedObject.uid=%s,type=%s", uid, corev1.EventTypeWarning)})
		if err != nil || len(list.Items) == 0 {
			continue
		}
		newest := slices.MaxFunc(list.Items, func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b)) })
		return strings.TrimSpace(newest.Message)
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
