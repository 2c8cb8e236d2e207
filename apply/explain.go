package apply

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// explain puts the pods' own reason into h, and makes it final when that has lasted
// longer than its grace. It returns how long until there is more to say, if nothing
// happens.
func (w *waiter) explain(ctx context.Context, h *Health, live *unstructured.Unstructured, now time.Time) time.Duration {
	if paused, _, _ := unstructured.NestedBool(live.Object, "spec", "paused"); paused || live.GetDeletionTimestamp() != nil {
		return time.Hour // its pods are not what it waits for
	}
	newest, former := w.podsOf(h.ID, live)
	left := w.unstick(ctx, h, live, former, now)
	t, until := w.clocksOf(h.ID).worst(newest, w.graces(h.ID), now)
	if t == nil {
		w.blame(h, former, now)
		return left
	}
	if h.State == Unhealthy && !h.Mends {
		h.Reason += ": " + t.reason()
		return left
	}
	h.Reason = t.reason()
	if until == 0 {
		h.State, h.Mends, h.Grace = Unhealthy, false, 0
	}
	return min(left, until)
}

// blame names what keeps pods of a former revision from being ready where that keeps
// the rollout: their controllers wait for them.
func (w *waiter) blame(h *Health, former []*corev1.Pod, now time.Time) {
	if h.Kind != "StatefulSet" && h.Kind != "DaemonSet" || strings.Contains(h.Reason, "of a former revision") {
		return
	}
	if t, _ := (clocks{}).worst(former, func(trouble) time.Duration { return 0 }, now); t != nil {
		h.Reason += ": " + t.former()
	}
}

func (w *waiter) clocksOf(id manifest.ID) clocks {
	if w.clocks[id] == nil {
		w.clocks[id] = clocks{}
	}
	return w.clocks[id]
}

// graces says how long the troubles of an object's pods may last. A container that
// ends again and again is a Job's own business while the Job has retries left, and
// once it has none it says so itself; so is it of a Pod that is restarted on failure.
func (w *waiter) graces(id manifest.ID) func(trouble) time.Duration {
	return func(t trouble) time.Duration {
		retried := id.GroupKind() == plan.JobKind || id.GroupKind() == plan.PodKind && t.pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
		if t.kind == crashLoop && retried {
			return 0
		}
		return graceOf(w.bounds.Graces, t.kind)
	}
}

// podsOf returns an object's pods: those of its newest revision, and the others.
func (w *waiter) podsOf(id manifest.ID, live *unstructured.Unstructured) (newest, former []*corev1.Pod) {
	if id.GroupKind() == plan.PodKind {
		p := &corev1.Pod{}
		if fromMap(live.Object, p) != nil {
			return nil, nil
		}
		return []*corev1.Pod{p}, nil
	}
	pods := w.watch(id.Namespace)
	if pods == nil {
		return nil, nil
	}
	return pods.of(id, live)
}

// watch returns what is known of a namespace's pods; nil if they can't be watched:
// health is judged without them.
func (w *waiter) watch(namespace string) *podWatch {
	if p := w.pods[namespace]; p != nil {
		return p
	}
	p, err := w.cluster.watchPods(namespace, w.objects, w.told)
	if err != nil {
		return nil
	}
	w.pods[namespace] = p
	return p
}

// mostEvents bounds how many objects' events are asked for.
const mostEvents = 5

// withEvents adds what the cluster's events say of the first objects: a probe's
// answer, a quota that is full.
func (w *waiter) withEvents(ctx context.Context, all []Health) []Health {
	for i := range all[:min(len(all), mostEvents)] {
		h := &all[i]
		live, _ := w.cluster.Live.Get(h.ID)
		if !hasPods(h.ID) || live == nil {
			continue
		}
		if text := w.cluster.warning(ctx, h.Namespace, w.suspects(h.ID, live)); text != "" && !strings.Contains(h.Reason, text) {
			h.Reason += ": " + text
		}
	}
	return all
}

// suspects are the objects whose events tell why a workload is not ready: its
// troubled pod, what was to make its pods, and itself.
func (w *waiter) suspects(id manifest.ID, live *unstructured.Unstructured) []types.UID {
	var out []types.UID
	newest, former := w.podsOf(id, live)
	for _, pods := range [][]*corev1.Pod{newest, former} {
		if t, _ := w.clocksOf(id).worst(pods, w.graces(id), w.looked); t != nil {
			out = append(out, t.pod.UID)
		}
	}
	if pods := w.pods[id.Namespace]; pods != nil {
		return slices.Concat(out, pods.makers(live))
	}
	return append(out, live.GetUID())
}
