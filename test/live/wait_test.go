package live_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

const deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 1, selector: {matchLabels: {app: web}}, " +
	"template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'example.com/web:TAG'}]}}}}"

func tagged(tag string) string { return strings.Replace(deployment, "TAG", tag, 1) }

// edit changes an object as a person does.
func (w *world) edit(u *unstructured.Unstructured, patch string) {
	w.t.Helper()
	if _, err := w.api(u).Patch(context.Background(), u.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "mallory"}); err != nil {
		w.t.Fatal(err)
	}
}

// waiting begins to wait for an object; the function returns how that ended, and reasons
// holds what it waited for.
func (w *world) waiting(of wait.Awaited) (end func() error, reasons chan string) {
	done, reasons := make(chan error, 1), make(chan string, 100)
	of.Progress = func(open []judge.Health) {
		for _, h := range open {
			reasons <- h.Reason
		}
	}
	go func() { done <- w.cluster.Waiter.ForApplied(context.Background(), of) }()
	return func() error {
		select {
		case err := <-done:
			return err
		case <-time.After(90 * time.Second):
			w.t.Fatal("it still waits")
			return nil
		}
	}, reasons
}

func (w *world) reason(reasons chan string, part string) {
	w.t.Helper()
	w.until("a reason with "+part, func() bool {
		select {
		case r := <-reasons:
			return strings.Contains(r, part)
		default:
			return false
		}
	})
}

func within(u *unstructured.Unstructured, d time.Duration) wait.Awaited {
	return wait.Awaited{Objects: []manifest.ID{manifest.IDOf(u)}, Bounds: wait.Bounds{Deadline: time.Now().Add(d), Timeout: 5 * time.Minute}}
}

// A change of what was applied ends the wait for it, whether it makes the object healthy
// or not; a change of what is not ours does not.
func TestAWaitEndsForWhatSomebodyChanged(t *testing.T) {
	w := newWorld(t, "")
	web := w.create(tagged("neverready"))
	w.watch(web)
	w.until("it is seen", func() bool { _, ok := w.cluster.Live.Get(manifest.IDOf(web)); return ok })
	end, reasons := w.waiting(within(web, time.Hour))
	w.reason(reasons, "is not ready")
	w.edit(web, `{"metadata": {"annotations": {"note": "of somebody's"}}}`)
	w.edit(web, `{"spec": {"replicas": 0}}`)
	if err := end(); !errors.Is(err, wait.ErrChanged) || !strings.Contains(err.Error(), "by somebody else, mallory") {
		t.Errorf("it ended with %v", err)
	}
}

// What is known to stay changed is waited for, with what it is like, until it is as it was
// applied, or the deadline.
func TestAWaitForWhatStaysChanged(t *testing.T) {
	w := newWorld(t, "")
	web := w.create(tagged("neverready"))
	w.watch(web)
	w.until("it is seen", func() bool { _, ok := w.cluster.Live.Get(manifest.IDOf(web)); return ok })
	w.edit(web, `{"spec": {"replicas": 0}}`)
	w.until("the change is seen", func() bool {
		live, _ := w.cluster.Live.Get(manifest.IDOf(web))
		n, _, _ := unstructured.NestedInt64(live.Object, "spec", "replicas")
		return n == 0
	})
	left := within(web, time.Second)
	left.Left = map[manifest.ID]string{manifest.IDOf(web): "it is scaled to nothing"}
	end, _ := w.waiting(left)
	var unhealthy *wait.UnhealthyError
	if err := end(); !errors.As(err, &unhealthy) || !unhealthy.TimedOut || !strings.Contains(err.Error(), "not healthy after 5m0s") || !strings.Contains(err.Error(), "it is scaled to nothing") {
		t.Errorf("it ended with %v", err)
	}
	left.Bounds.Deadline = time.Now().Add(time.Hour)
	end, reasons := w.waiting(left)
	w.reason(reasons, "it is scaled to nothing")
	w.edit(web, `{"spec": {"replicas": 2}}`)
	if err := end(); !errors.Is(err, wait.ErrChanged) {
		t.Errorf("news of it ended it with %v", err)
	}
}

// A wait that begins after its deadline looks once: what is healthy is good.
func TestTheLastLookCounts(t *testing.T) {
	w := newWorld(t, "")
	web := w.create(tagged("v1"))
	w.watch(web)
	w.until("it is healthy", func() bool { return w.health(web).State == health.Healthy })
	end, _ := w.waiting(within(web, -time.Minute))
	if err := end(); err != nil {
		t.Errorf("what is healthy ended with %v", err)
	}
	w.edit(web, `{"spec": {"paused": true}}`)
	w.until("the pause is seen", func() bool { return w.health(web).State != health.Healthy })
	end, _ = w.waiting(within(web, -time.Minute))
	var unhealthy *wait.UnhealthyError
	if err := end(); !errors.As(err, &unhealthy) || !strings.Contains(err.Error(), "it was paused by mallory, and not by its chart") {
		t.Errorf("what is paused ended with %v", err)
	}
}

// What is being deleted is not healthy, and missing once it is gone.
func TestAWaitForWhatIsBeingDeleted(t *testing.T) {
	w := newWorld(t, "")
	one := w.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: one, finalizers: [example.com/held]}, data: {a: '1'}}")
	w.watch(one)
	w.delete(one)
	w.until("its end is seen", func() bool { return w.health(one).State != health.Healthy })
	end, reasons := w.waiting(within(one, time.Hour))
	w.reason(reasons, "it is being deleted, and finalizers [example.com/held] hold it")
	w.edit(one, `{"metadata": {"finalizers": null}}`)
	if err := end(); !errors.Is(err, wait.ErrMissing) {
		t.Errorf("it ended with %v", err)
	}
}
