package pods

import (
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// starting is how long a pod without trouble may take to become ready before it
// counts as blocking: its readiness may be gone for a moment only.
const starting = 10 * time.Second

// Blocking returns the pods of a former revision that a StatefulSet's controller would replace
// if they were ready, and how long until another pod may be one of them. With OrderedReady, the
// controller waits for such a pod to become ready before it replaces it, even if the template
// has changed: Kubernetes issue 67250. Its documentation says to delete the pod by hand
// (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback). A
// pod that is deleted comes back in the newest revision.
func Blocking(set *appsv1.StatefulSet, former []*corev1.Pod, now time.Time) (blocking []*corev1.Pod, next time.Duration) {
	next = time.Hour
	first, replaces := replacedFrom(set)
	if !replaces || set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement ||
		set.Status.ObservedGeneration < set.Generation || set.Status.UpdateRevision == "" {
		return nil, next
	}
	for _, p := range former {
		revision := p.Labels[appsv1.ControllerRevisionHashLabelKey]
		if !metav1.IsControlledBy(p, set) || p.DeletionTimestamp != nil || revision == "" || revision == set.Status.UpdateRevision {
			continue
		}
		if n, ok := ordinalOf(set, p); !ok || n < first {
			continue
		}
		ready, since := readiness(p)
		switch left := starting - now.Sub(since); {
		case ready:
		case left <= 0 || saysMore(p):
			blocking = append(blocking, p)
		default:
			next = min(next, left)
		}
	}
	return blocking, next
}

// replacedFrom returns the first ordinal whose pod a StatefulSet replaces by itself;
// false if it replaces none.
func replacedFrom(set *appsv1.StatefulSet) (int, bool) {
	strategy := set.Spec.UpdateStrategy
	if strategy.Type != appsv1.RollingUpdateStatefulSetStrategyType && strategy.Type != "" {
		return 0, false
	}
	first := 0
	if set.Spec.Ordinals != nil {
		first = int(set.Spec.Ordinals.Start)
	}
	if r := strategy.RollingUpdate; r != nil && r.Partition != nil {
		first += int(*r.Partition)
	}
	return first, true
}

func ordinalOf(set *appsv1.StatefulSet, p *corev1.Pod) (int, bool) {
	text, ok := strings.CutPrefix(p.Name, set.Name+"-")
	n, err := strconv.Atoi(text)
	return n, ok && err == nil
}

// readiness reports whether a pod is ready, and since when that is so.
func readiness(p *corev1.Pod) (bool, time.Time) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue, c.LastTransitionTime.Time
		}
	}
	return false, p.CreationTimestamp.Time
}

// saysMore reports whether a pod says more of itself than that it is not ready yet.
func saysMore(p *corev1.Pod) bool {
	return slices.ContainsFunc(reasonsOf(p), func(r Reason) bool { return !r.runs })
}
