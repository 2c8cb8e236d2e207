package apply

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// UnhealthyError says that a rollout did not become healthy: it failed, or ran
// out of time.
type UnhealthyError struct {
	Objects  []Health
	TimedOut bool
	Timeout  time.Duration
}

// Transient says that another try has the same inputs and the same end.
func (e *UnhealthyError) Transient() bool { return false }

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
		if err := c.Live.BlindTo(id); err != nil {
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
	version := c.Live.ResourceVersion(id)
	c.mu.Lock()
	known, ok := c.judged[id]
	c.mu.Unlock()
	if ok && version != "" && known.version == version && !known.health.due(time.Now()) {
		return known.health
	}
	live, _ := c.Live.Get(id)
	h := c.healthBy(id, live)
	c.mu.Lock()
	defer c.mu.Unlock()
	if live == nil {
		delete(c.judged, id)
	} else {
		c.judged[id] = judged{live.GetResourceVersion(), h}
	}
	return h
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
// UnhealthyError, on what cannot become healthy any more, and else at the
// deadline; if ctx ends before, it returns its cause. progress is called with what
// is not healthy yet, whenever that changes.
func (c *Cluster) WaitFor(ctx context.Context, objects []manifest.ID, bounds Bounds, progress func([]Health)) error {
	w := waiter{cluster: c, objects: objects, judge: c.healthOf, bounds: bounds, progress: progress}
	return w.wait(ctx)
}

// waitForEnd is WaitFor for what was written just now and has to run to its end: a
// Pod that runs is not done, and what is gone without having ended is missing.
func (c *Cluster) waitForEnd(ctx context.Context, objects []manifest.Object, bounds Bounds, progress func([]Health)) error {
	w := waiter{cluster: c, objects: idsOf(objects), judge: c.orEnded(c.endOf, c.Live.LastOf), applied: &applied{}, bounds: bounds, progress: progress}
	return w.wait(ctx)
}

// endOf is endOf the object as last seen.
func (c *Cluster) endOf(id manifest.ID) Health {
	live, _ := c.Live.Get(id)
	return endOf(c.healthBy(id, live), live)
}

// waiter is the state of one wait.
type waiter struct {
	cluster  *Cluster
	objects  []manifest.ID
	judge    func(manifest.ID) Health
	applied  *applied // how they were left; nil for what is only looked at
	bounds   Bounds
	progress func([]Health)

	pods   map[string]*podWatch      // by namespace
	told   chan struct{}             // has a token when pods changed
	clocks map[manifest.ID]clocks    // since when pods are in trouble
	sent   map[types.UID]bool        // pods that were deleted
	failed map[manifest.ID]time.Time // since when objects say that they will not mend themselves
	half   time.Time                 // when half of the time is over
	unkept bool                      // that the deadline waits, or goes on, could not be kept
	last   string
	looked time.Time
}

func (w *waiter) wait(ctx context.Context) error {
	w.pods, w.told, w.clocks, w.sent = map[string]*podWatch{}, make(chan struct{}, 1), map[manifest.ID]clocks{}, map[types.UID]bool{}
	w.failed, w.half = map[manifest.ID]time.Time{}, time.Now().Add(w.bounds.Left(time.Now())/2)
	defer w.close()
	events, end := w.cluster.Live.Subscribe(w.objects)
	defer end()
	for {
		w.looked = time.Now()
		seen := w.look(ctx, w.looked)
		w.hold(ctx, seen.open, w.looked)
		over := w.bounds.over(w.looked)
		switch {
		case len(seen.open) == 0:
			return nil
		case seen.moved != nil && !over:
			return seen.moved
		case len(seen.final) > 0:
			return &UnhealthyError{Objects: w.withEvents(ctx, seen.final)}
		case over:
			return &UnhealthyError{Objects: w.withEvents(ctx, seen.open), TimedOut: true, Timeout: w.bounds.Timeout}
		}
		if err := w.sleep(ctx, events, w.most(seen.next)); err != nil {
			return err
		}
	}
}

func (w *waiter) close() {
	for _, p := range w.pods {
		p.stop()
	}
}

// sight is what one look found.
type sight struct {
	open, final []Health      // what is not healthy, and what of it will not become so
	moved       error         // that an object is not there, or not as it was applied, any more
	next        time.Duration // until a trouble that is seen now becomes final
}

// look judges every object.
func (w *waiter) look(ctx context.Context, now time.Time) sight {
	s := sight{next: time.Hour}
	for _, id := range w.objects {
		h := w.judge(id)
		if err := w.cluster.Live.BlindTo(id); err != nil {
			h = Health{ID: id, State: Unknown, Reason: err.Error()}
		}
		differs, moved := w.applied.compare(w.cluster, &h)
		if s.moved == nil {
			s.moved = moved
		}
		h.Held = h.Held && !differs
		if h.State == Healthy || w.patient(h, now) {
			w.lasting(h, now)
			delete(w.clocks, id)
			continue
		}
		if live, ok := w.cluster.Live.Get(id); ok && !differs && hasPods(id) {
			s.next = min(s.next, w.explain(ctx, &h, live, now))
		}
		s.open = append(s.open, h)
		left := w.lasting(h, now)
		if s.next = min(s.next, max(left, time.Millisecond)); h.ends(left) {
			s.final = append(s.final, h)
		}
	}
	w.report(s.open)
	return s
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

// sleep waits for whatever comes first, and not longer than it may.
func (w *waiter) sleep(ctx context.Context, events <-chan struct{}, most time.Duration) error {
	told, err := first(ctx, events, w.told, most)
	if told && err == nil {
		pause := w.most(podPause - time.Since(w.looked))
		_, err = first(ctx, nil, nil, pause)
	}
	return err
}

// first waits for the first of its arguments, and reports whether pods were told.
func first(ctx context.Context, events, pods <-chan struct{}, most time.Duration) (bool, error) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-events:
	case <-pods:
		return true, nil
	case <-timer.C:
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
	err := c.Each(ctx, objects, func(ctx context.Context, o manifest.Object) error {
		live, err := c.Read(ctx, o.Unstructured)
		if err != nil {
			return err
		}
		h := c.healthBy(o.ID(), live)
		if live == nil && plan.Fleeting(o.Unstructured) {
			h = Health{ID: o.ID(), State: Healthy}
		}
		out[index[o.ID()]] = h
		return nil
	})
	return out, err
}
