package apply

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/kube"
)

// unstick deletes the pods that keep a StatefulSet from leaving a revision that does
// not work. With OrderedReady, its controller waits for such a pod to become ready
// before it replaces it, whatever the template says by now: Kubernetes' known issue
// 67250, which its documentation has people solve by deleting the pod by hand
// (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#forced-rollback).
// It is done only while a rollout waits for what it applied. It returns when to look
// again.
func (w *waiter) unstick(ctx context.Context, h *Health, live *unstructured.Unstructured, former []*corev1.Pod, now time.Time) time.Duration {
	if w.applied == nil || h.Kind != "StatefulSet" || h.Group != "apps" || len(former) == 0 {
		return time.Hour
	}
	var set appsv1.StatefulSet
	if fromMap(live.Object, &set) != nil {
		return time.Hour
	}
	stuck, next := stuckPods(&set, former, now)
	for _, p := range stuck {
		if w.sent[p.UID] {
			continue
		}
		err := w.cluster.deletePod(ctx, p)
		if apierrors.IsConflict(err) {
			next = min(next, retryPause) // it is not as it was: news of it are on their way
			continue
		}
		if err != nil {
			h.Reason = fmt.Sprintf("pod %s of a former revision is not ready, the StatefulSet waits for it, and it can't be deleted: %v", p.Name, err)
			next = min(next, retryPause)
			continue
		}
		w.sent[p.UID] = true
		h.Reason = fmt.Sprintf("pod %s of a former revision was not ready, and was deleted: the StatefulSet would have waited for it for ever", p.Name)
	}
	return next
}

// retryPause is the time until a pod that could not be deleted is tried again.
const retryPause = 2 * time.Second

// starting is how long a pod without trouble may take to become ready before it
// counts as stuck: its readiness may be gone for a moment only.
const starting = 10 * time.Second

// stuckPods returns the pods of a former revision that a StatefulSet's controller
// waits for and would replace, were they ready; and how long until another one may
// count. A pod that is deleted comes back in the newest revision.
func stuckPods(set *appsv1.StatefulSet, former []*corev1.Pod, now time.Time) (stuck []*corev1.Pod, next time.Duration) {
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
		case left <= 0 || inTrouble(p):
			stuck = append(stuck, p)
		default:
			next = min(next, left)
		}
	}
	return stuck, next
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

// inTrouble reports whether a pod says more of itself than that it is not ready yet.
func inTrouble(p *corev1.Pod) bool {
	return slices.ContainsFunc(troublesOf(p), func(t trouble) bool { return !t.runs })
}

// deletePod deletes a pod if it still is what it was seen to be.
func (c *Cluster) deletePod(ctx context.Context, p *corev1.Pod) error {
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	err := c.Typed.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &p.UID, ResourceVersion: &p.ResourceVersion}})
	return client.IgnoreNotFound(err)
}
