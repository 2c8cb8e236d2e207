package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/xetys/tether/render/manifest"
)

// UnhealthyError says that a rollout did not become healthy: it failed, or ran
// out of time.
type UnhealthyError struct {
	Objects  []Health
	TimedOut bool
	Timeout  time.Duration
}

// Error names every object that is not healthy, and why.
func (e *UnhealthyError) Error() string {
	var parts []string
	for _, h := range e.Objects {
		parts = append(parts, fmt.Sprintf("%s: %s", h.ID, h.Reason))
	}
	text := strings.Join(parts, "; ")
	if e.TimedOut {
		return fmt.Sprintf("not healthy after %s: %s", e.Timeout, text)
	}
	return text
}

// Health returns the state of each object as the live cache has it. One that can't
// be watched is not healthy: nobody knows.
func (c *Cluster) Health(objects []manifest.ID) []Health {
	out := make([]Health, 0, len(objects))
	for _, id := range objects {
		if err := c.Live.blindTo(id); err != nil {
			out = append(out, Health{ID: id, State: Unknown, Reason: err.Error()})
			continue
		}
		out = append(out, c.healthOf(id))
	}
	return out
}

// judged is an object's health, and the resource version that it was found of.
type judged struct {
	version string
	health  Health
}

// healthOf is HealthOf, which is asked again only of what changed: at rest nothing
// does.
func (c *Cluster) healthOf(id manifest.ID) Health {
	version := c.Live.resourceVersion(id)
	c.mu.Lock()
	known, ok := c.judged[id]
	c.mu.Unlock()
	if ok && version != "" && known.version == version {
		return known.health
	}
	live, _ := c.Live.Get(id)
	h := HealthOf(id, live)
	c.mu.Lock()
	defer c.mu.Unlock()
	if live == nil {
		delete(c.judged, id)
	} else {
		c.judged[id] = judged{live.GetResourceVersion(), h}
	}
	return h
}

// ErrMissing says that somebody deleted what was just applied and waited for.
var ErrMissing = errors.New("it was deleted by somebody else")

// Wait returns when all objects are healthy; see WaitFor. It returns ErrMissing as
// soon as one of them is not there any more, unless it had ended.
func (c *Cluster) Wait(ctx context.Context, objects []manifest.ID, timeout time.Duration, progress func([]Health)) error {
	w := waiter{cluster: c, objects: objects, judge: c.orEnded(c.healthOf), applied: true, progress: progress}
	return w.wait(ctx, timeout)
}

func idsOf(objects []manifest.Object) []manifest.ID {
	ids := make([]manifest.ID, len(objects))
	for i, o := range objects {
		ids[i] = o.ID()
	}
	return ids
}

// WaitFor returns when all objects are healthy. It looks whenever an event arrives
// and asks the server nothing but to watch pods. It gives up early, with an
// UnhealthyError, on what cannot become healthy any more, and else after the
// timeout; if ctx ends before, it returns its cause. progress is called with what
// is not healthy yet, whenever that changes.
func (c *Cluster) WaitFor(ctx context.Context, objects []manifest.ID, timeout time.Duration, progress func([]Health)) error {
	w := waiter{cluster: c, objects: objects, judge: c.healthOf, progress: progress}
	return w.wait(ctx, timeout)
}

// waitForEnd is WaitFor for what has to run to its end: a Pod that runs is not
// done.
func (c *Cluster) waitForEnd(ctx context.Context, objects []manifest.Object, timeout time.Duration, progress func([]Health)) error {
	w := waiter{cluster: c, objects: idsOf(objects), judge: c.orEnded(c.endOf), applied: true, progress: progress}
	return w.wait(ctx, timeout)
}

// endOf is endOf the object as last seen.
func (c *Cluster) endOf(id manifest.ID) Health {
	live, _ := c.Live.Get(id)
	return endOf(id, live)
}

func (w *waiter) wait(ctx context.Context, timeout time.Duration) error {
	c := w.cluster
	w.pods, w.first = map[string]*podWatch{}, map[string]time.Time{}
	defer w.close()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	events, end := c.Live.subscribe(w.objects)
	defer end()
	for {
		w.looked = time.Now()
		open, final, next := w.look(ctx, w.looked)
		if len(open) == 0 {
			return nil
		}
		if i := slices.IndexFunc(open, func(h Health) bool { return w.applied && h.State == Missing }); i >= 0 {
			return fmt.Errorf("%s: %w", open[i].ID, ErrMissing)
		}
		if len(final) > 0 {
			return &UnhealthyError{Objects: w.withEvents(ctx, final)}
		}
		if err := w.sleep(ctx, events, deadline.C, next); errors.Is(err, errDeadline) {
			return &UnhealthyError{Objects: w.withEvents(ctx, open), TimedOut: true, Timeout: timeout}
		} else if err != nil {
			return err
		}
	}
}

var errDeadline = errors.New("deadline")

// waiter is the state of one Wait.
type waiter struct {
	cluster  *Cluster
	objects  []manifest.ID
	judge    func(manifest.ID) Health
	applied  bool                 // they were all there when it began
	pods     map[string]*podWatch // by namespace
	first    map[string]time.Time // when a trouble was first seen
	last     string
	looked   time.Time
	progress func([]Health)
}

func (w *waiter) close() {
	for _, p := range w.pods {
		p.stop()
	}
}

// look returns what is not healthy, what of it is final, and how long until a
// trouble that is seen now becomes final.
func (w *waiter) look(ctx context.Context, now time.Time) (open, final []Health, next time.Duration) {
	next = time.Hour
	for _, id := range w.objects {
		h := w.judge(id)
		if err := w.cluster.Live.blindTo(id); err != nil {
			h = Health{ID: id, State: Unknown, Reason: err.Error()}
		}
		if h.State == Healthy {
			continue
		}
		if live, ok := w.cluster.Live.Get(id); ok && workloads[h.GroupKind()] {
			left := w.explain(ctx, &h, live, now)
			next = min(next, left)
		}
		open = append(open, h)
		if h.State == Unhealthy {
			final = append(final, h)
		}
	}
	w.report(open)
	return open, final, next
}

// explain puts the pods' own reason into h, and makes it final when the reason
// has lasted longer than its grace. It returns how long it has left.
func (w *waiter) explain(ctx context.Context, h *Health, live *unstructured.Unstructured, now time.Time) time.Duration {
	pods, err := w.watch(ctx, h.Namespace)
	if err != nil {
		return time.Hour
	}
	t := pods.troubleOf(h.ID, live)
	if t == nil {
		return time.Hour
	}
	if h.State == Unhealthy {
		h.Reason += ": " + t.reason
		return time.Hour
	}
	h.Reason = t.reason
	if t.grace == 0 {
		return time.Hour
	}
	key := h.ID.String()
	if _, seen := w.first[key]; !seen {
		w.first[key] = now
	}
	left := t.grace - now.Sub(w.first[key])
	if left <= 0 {
		h.State = Unhealthy
	}
	return max(left, 0)
}

// mostEvents bounds how many objects' events are asked for.
const mostEvents = 5

// withEvents adds what the cluster's events say of the first objects: a probe's
// answer, a quota that is full.
func (w *waiter) withEvents(ctx context.Context, all []Health) []Health {
	for i := range all[:min(len(all), mostEvents)] {
		h := &all[i]
		live, _ := w.cluster.Live.Get(h.ID)
		if !workloads[h.GroupKind()] || live == nil {
			continue
		}
		pods, err := w.watch(ctx, h.Namespace)
		if err != nil {
			continue
		}
		if text := w.cluster.warning(ctx, h.Namespace, pods.suspects(h.ID, live)); text != "" && !strings.Contains(h.Reason, text) {
			h.Reason += ": " + text
		}
	}
	return all
}

func (w *waiter) watch(ctx context.Context, namespace string) (*podWatch, error) {
	if p := w.pods[namespace]; p != nil {
		return p, nil
	}
	p, err := w.cluster.watchPods(namespace, w.objects)
	if err == nil {
		w.pods[namespace] = p
	}
	return p, err
}

func (w *waiter) report(open []Health) {
	text := ""
	for _, h := range open {
		text += h.ID.String() + h.Reason + "\n"
	}
	if text != w.last && w.progress != nil {
		w.progress(open)
	}
	w.last = text
}

// podPause is the least time between two looks for the sake of pods: a workload may
// have many, each with many events.
const podPause = 200 * time.Millisecond

// sleep waits for whatever comes first. At the most one namespace's pods are
// waited for by channel; others are looked at with the next event.
func (w *waiter) sleep(ctx context.Context, events <-chan struct{}, deadline <-chan time.Time, next time.Duration) error {
	var pods chan struct{}
	for _, p := range w.pods {
		pods = p.changed
	}
	told, err := first(ctx, events, pods, deadline, next)
	if told && err == nil {
		_, err = first(ctx, nil, nil, deadline, podPause-time.Since(w.looked))
	}
	return err
}

// first waits for the first of its arguments, and reports whether pods were told.
func first(ctx context.Context, events, pods <-chan struct{}, deadline <-chan time.Time, next time.Duration) (bool, error) {
	timer := time.NewTimer(next)
	defer timer.Stop()
	select {
	case <-events:
	case <-pods:
		return true, nil
	case <-timer.C:
	case <-deadline:
		return false, errDeadline
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	return false, nil
}

func fromMap(m map[string]any, into any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(m, into)
}

// HealthNow asks the server for the state of each object, for who has no
// watches open.
func (c *Cluster) HealthNow(ctx context.Context, objects []manifest.Object) ([]Health, error) {
	out := make([]Health, len(objects))
	index := map[manifest.ID]int{}
	for i, o := range objects {
		index[o.ID()] = i
	}
	err := c.each(ctx, objects, func(ctx context.Context, o manifest.Object) error {
		live, err := c.read(ctx, o.Unstructured)
		if err != nil {
			return err
		}
		h := HealthOf(o.ID(), live)
		if live == nil && Fleeting(o.Unstructured) {
			h = Health{ID: o.ID(), State: Healthy}
		}
		out[index[o.ID()]] = h
		return nil
	})
	return out, err
}
