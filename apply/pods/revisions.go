package pods

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// workloads are the kinds whose pods say why they are not ready.
var workloads = map[schema.GroupKind]bool{
	{Group: "apps", Kind: "Deployment"}:  true,
	{Group: "apps", Kind: "StatefulSet"}: true,
	{Group: "apps", Kind: "DaemonSet"}:   true,
	{Group: "apps", Kind: "ReplicaSet"}:  true,
	{Group: "batch", Kind: "Job"}:        true,
}

// Explain reports whether an object's pods can say why it is not healthy.
func Explain(id manifest.ID) bool { return workloads[id.GroupKind()] || id.GroupKind() == plan.PodKind }

// Of returns a workload's pods that are not being deleted: those of its newest revision, and
// those that are to be replaced. Both are empty before the cache has filled.
func (w *Watch) Of(id manifest.ID, live *unstructured.Unstructured) (newest, former []*corev1.Pod) {
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
func (w *namespaceCache) others(id manifest.ID, live *unstructured.Unstructured, p *corev1.Pod) bool {
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
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &s); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(&s)
}

const revision = "deployment.kubernetes.io/revision"

// newest reports whether a pod belongs to the workload's newest revision: the
// crash of a pod that a rollout is about to replace says nothing about it. What
// can't be told counts as newest.
func (w *namespaceCache) newest(id manifest.ID, live *unstructured.Unstructured, p *corev1.Pod) bool {
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

// Creators returns the objects whose events say why a workload has no pods: those that create
// the pods, and the workload itself.
func (w *Watch) Creators(live *unstructured.Unstructured) []types.UID {
	var out []types.UID
	sets, err := w.sets.List(labels.Everything())
	for _, rs := range sets {
		if err == nil && metav1.IsControlledBy(rs, live) && rs.Annotations[revision] == live.GetAnnotations()[revision] {
			out = append(out, rs.UID)
		}
	}
	return append(out, live.GetUID())
}
