package wait

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/pods"
	"github.com/xetys/tether/render/manifest"
)

// explainer adds to the health of workloads what their pods say, for one wait.
type explainer struct {
	watcher *pods.Watcher
	live    *live.Cache
	objects []manifest.ID // that are waited for
	graces  manifest.Graces
	deletes bool // pods that a StatefulSet waits for without end may be deleted

	changed chan struct{}               // has a token when pods changed
	watches map[string]*pods.Watch      // by namespace
	clocks  map[manifest.ID]pods.Clocks // since when pods are not ready
	deleted map[types.UID]bool          // pods
}

func newExplainer(watcher *pods.Watcher, cache *live.Cache, objects []manifest.ID, graces manifest.Graces, deletes bool) *explainer {
	return &explainer{watcher: watcher, live: cache, objects: objects, graces: graces, deletes: deletes,
		changed: make(chan struct{}, 1), watches: map[string]*pods.Watch{}, clocks: map[manifest.ID]pods.Clocks{}, deleted: map[types.UID]bool{}}
}

// stop ends the watches of pods.
func (e *explainer) stop() {
	for _, w := range e.watches {
		w.Stop()
	}
}

// reset forgets since when an object's pods are not ready: it is healthy.
func (e *explainer) reset(id manifest.ID) { delete(e.clocks, id) }

// explain puts the pods' own reason into h, and makes it final when that has lasted
// longer than its grace. It returns how long until there is more to say, if nothing
// happens.
func (e *explainer) explain(ctx context.Context, h *judge.Health, object *unstructured.Unstructured, now time.Time) time.Duration {
	if paused, _, _ := unstructured.NestedBool(object.Object, "spec", "paused"); paused || object.GetDeletionTimestamp() != nil {
		return time.Hour // its pods are not what it waits for
	}
	newest, former := e.podsOf(h.ID, object)
	left := e.unblock(ctx, h, object, former, now)
	reason, until := e.clocksOf(h.ID).Worst(newest, e.graceOf(h.ID), now)
	if reason == nil {
		e.blame(h, former, now)
		return left
	}
	if h.State == health.Unhealthy && !h.Mends {
		h.Reason += ": " + reason.String()
		return left
	}
	h.Reason = reason.String()
	if until == 0 {
		h.State, h.Mends, h.Grace = health.Unhealthy, false, 0
	}
	return min(left, until)
}

// blame names the reason why pods of a former revision are not ready where that keeps
// the rollout: their controllers wait for them.
func (e *explainer) blame(h *judge.Health, former []*corev1.Pod, now time.Time) {
	if h.Kind != "StatefulSet" && h.Kind != "DaemonSet" || strings.Contains(h.Reason, "of a former revision") {
		return
	}
	if r, _ := (pods.Clocks{}).Worst(former, func(pods.Reason) time.Duration { return 0 }, now); r != nil {
		h.Reason += ": " + r.OfFormerRevision()
	}
}

// unblock deletes the pods that keep a StatefulSet from leaving a revision that does not work
// (see pods.Blocking). It is done only while a rollout waits for what it applied. It returns
// when to look again.
func (e *explainer) unblock(ctx context.Context, h *judge.Health, object *unstructured.Unstructured, former []*corev1.Pod, now time.Time) time.Duration {
	if !e.deletes || h.Kind != "StatefulSet" || h.Group != "apps" || len(former) == 0 {
		return time.Hour
	}
	var set appsv1.StatefulSet
	if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &set) != nil {
		return time.Hour
	}
	blocking, next := pods.Blocking(&set, former, now)
	for _, p := range blocking {
		if e.deleted[p.UID] {
			continue
		}
		err := e.watcher.Delete(ctx, p)
		if apierrors.IsConflict(err) {
			next = min(next, retryPause) // it is not as it was: news of it are on their way
			continue
		}
		if err != nil {
			h.Reason = fmt.Sprintf("pod %s of a former revision is not ready, the StatefulSet waits for it, and it can't be deleted: %v", p.Name, err)
			next = min(next, retryPause)
			continue
		}
		e.deleted[p.UID] = true
		h.Reason = fmt.Sprintf("pod %s of a former revision was not ready, and was deleted: the StatefulSet would have waited for it for ever", p.Name)
	}
	return next
}

func (e *explainer) clocksOf(id manifest.ID) pods.Clocks {
	if e.clocks[id] == nil {
		e.clocks[id] = pods.Clocks{}
	}
	return e.clocks[id]
}

// graceOf says how long a reason of an object's pods may last. A container that ends again
// and again is a Job's own business while the Job has retries left, and once it has none it
// says so itself; so is it of a Pod that is restarted on failure.
func (e *explainer) graceOf(id manifest.ID) func(pods.Reason) time.Duration {
	return func(r pods.Reason) time.Duration {
		retried := id.GroupKind() == plan.JobKind || id.GroupKind() == plan.PodKind && r.Pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
		if r.Kind == pods.CrashLoop && retried {
			return 0
		}
		return pods.GraceOf(e.graces, r.Kind)
	}
}

// podsOf returns an object's pods: those of its newest revision, and the others.
func (e *explainer) podsOf(id manifest.ID, object *unstructured.Unstructured) (newest, former []*corev1.Pod) {
	if id.GroupKind() == plan.PodKind {
		p := &corev1.Pod{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, p) != nil {
			return nil, nil
		}
		return []*corev1.Pod{p}, nil
	}
	w := e.watch(id.Namespace)
	if w == nil {
		return nil, nil
	}
	return w.Of(id, object)
}

// watch returns what is known of a namespace's pods; nil if they can't be watched:
// health is judged without them.
func (e *explainer) watch(namespace string) *pods.Watch {
	if w := e.watches[namespace]; w != nil {
		return w
	}
	w, err := e.watcher.Watch(namespace, e.objects, e.changed)
	if err != nil {
		return nil
	}
	e.watches[namespace] = w
	return w
}

// maxEvents bounds how many objects' events are asked for.
const maxEvents = 5

// failure adds to a failed wait what the cluster's events say of the first objects (a probe's
// answer, a quota that is full), and the end of one log: a failure of many pods costs as
// much as that of one.
func (e *explainer) failure(ctx context.Context, failed UnhealthyError, now time.Time) error {
	for i := range failed.Objects[:min(len(failed.Objects), maxEvents)] {
		h := &failed.Objects[i]
		object, _ := e.live.Get(h.ID)
		if !pods.Explain(h.ID) || object == nil {
			continue
		}
		reasons := e.reasonsOf(h.ID, object, now)
		if text := e.watcher.Warning(ctx, h.Namespace, e.suspects(h.ID, object, reasons)); text != "" && !strings.Contains(h.Reason, text) {
			h.Reason += ": " + text
		}
		if failed.Output == nil && len(reasons) > 0 {
			failed.Output = e.watcher.Output(ctx, reasons[0])
		}
	}
	return &failed
}

// reasonsOf returns why a pod of an object's newest revision is not ready, and why one of a
// former revision is not.
func (e *explainer) reasonsOf(id manifest.ID, object *unstructured.Unstructured, now time.Time) []*pods.Reason {
	var out []*pods.Reason
	newest, former := e.podsOf(id, object)
	for _, all := range [][]*corev1.Pod{newest, former} {
		if r, _ := e.clocksOf(id).Worst(all, e.graceOf(id), now); r != nil {
			out = append(out, r)
		}
	}
	return out
}

// suspects are the objects whose events tell why a workload is not ready: its
// pods that are not, what was to create its pods, and itself.
func (e *explainer) suspects(id manifest.ID, object *unstructured.Unstructured, reasons []*pods.Reason) []types.UID {
	var out []types.UID
	for _, r := range reasons {
		out = append(out, r.Pod.UID)
	}
	if w := e.watches[id.Namespace]; w != nil {
		return slices.Concat(out, w.Creators(object))
	}
	return append(out, object.GetUID())
}
