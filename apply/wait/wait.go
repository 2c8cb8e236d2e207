// Package wait waits until objects are healthy, or are as they were applied, or have finished: by
// the events of the live cache, and until a deadline.
//
// It does not know plans, records or what a failure leads to. It writes nothing, but deletes
// pods that a StatefulSet would wait for without end.
package wait

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/pods"
	"github.com/xetys/tether/render/manifest"
)

// UnhealthyError says that a rollout did not become healthy: it failed, or ran
// out of time.
type UnhealthyError struct {
	Objects  []judge.Health
	TimedOut bool
	Timeout  time.Duration
	// Output is the end of the log of the first container that Error names; nil if it wrote
	// nothing. Error does not quote it, because it may contain secrets.
	Output *pods.Output
}

// Transient is false: another try has the same inputs, and would end in the same way.
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

// Said implements the interface that the function Said looks for.
func (e *UnhealthyError) Said() *pods.Output { return e.Output }

// Said returns the end of the log of the container that caused an error; nil if it is not
// known.
func Said(err error) *pods.Output {
	var said interface{ Said() *pods.Output }
	if !errors.As(err, &said) {
		return nil
	}
	return said.Said()
}

// Waiter waits for the objects of one environment. It is safe for concurrent use.
type Waiter struct {
	live  *live.Cache
	judge *judge.Judge
	pods  *pods.Watcher
}

// New returns a Waiter for the objects that a live cache holds.
func New(cache *live.Cache, j *judge.Judge, p *pods.Watcher) *Waiter {
	return &Waiter{live: cache, judge: j, pods: p}
}

// ReadLogs sets whether the logs of failed containers are read; the default is true.
func (w *Waiter) ReadLogs(read bool) { w.pods.ReadLogs(read) }

// ForHealthy returns when all objects are healthy. It judges them whenever an event arrives;
// its only requests are watches of pods. It returns an UnhealthyError early for an object that
// can't become healthy any more, and otherwise at the deadline; if ctx ends before, it returns
// its cause. progress is called with the objects that are not healthy yet, whenever that
// changes.
func (w *Waiter) ForHealthy(ctx context.Context, objects []manifest.ID, bounds Bounds, progress func([]judge.Health)) error {
	return w.begin(objects, w.judge.Cached, nil, bounds, progress).run(ctx)
}

// ForFinished is ForHealthy for objects that were just written and have to run to their end: a
// running Pod has not finished, and an object that is gone without having finished is missing.
func (w *Waiter) ForFinished(ctx context.Context, objects []manifest.ID, bounds Bounds, progress func([]judge.Health)) error {
	return w.begin(objects, w.judge.OrFinished(w.judge.Finished), &applied{cache: w.live}, bounds, progress).run(ctx)
}

// ForApplied returns when all objects are healthy and still as they were applied: an object
// that somebody changed meanwhile may be healthy, but is not what is waited for. It returns
// ErrMissing as soon as one of them is gone, unless it had finished, and ErrChanged as soon as
// one was changed, so that the caller can survey it; at the deadline either is an
// UnhealthyError. For the rest see ForHealthy.
func (w *Waiter) ForApplied(ctx context.Context, a Awaited) error {
	return w.begin(a.Objects, w.judge.OrFinished(w.judge.Cached), w.appliedAs(a), a.Bounds, a.Progress).run(ctx)
}

// session is the state of one wait. It belongs to one goroutine.
type session struct {
	live     *live.Cache
	objects  []manifest.ID
	judge    func(manifest.ID) judge.Health
	applied  *applied // how they were left; nil for what is only looked at
	deadline deadline
	patience patience
	pods     *explainer
	progress func([]judge.Health)

	last   string    // the report that was made last
	looked time.Time // when it looked last
}

func (w *Waiter) begin(objects []manifest.ID, judged func(manifest.ID) judge.Health, a *applied, bounds Bounds, progress func([]judge.Health)) *session {
	now := time.Now()
	return &session{
		live: w.live, objects: objects, judge: judged, applied: a, deadline: deadline{Bounds: bounds}, progress: progress,
		patience: patience{failed: map[manifest.ID]time.Time{}, half: now.Add(bounds.Left(now) / 2)},
		pods:     newExplainer(w.pods, w.live, objects, bounds.Graces, a != nil),
	}
}

func (s *session) run(ctx context.Context) error {
	defer s.pods.stop()
	events, end := s.live.Subscribe(s.objects)
	defer end()
	for {
		s.looked = time.Now()
		seen := s.judgeAll(ctx, s.looked)
		s.deadline.hold(ctx, seen.open, s.looked)
		over := s.deadline.Over(s.looked)
		switch {
		case len(seen.open) == 0:
			return nil
		case seen.moved != nil && !over:
			return seen.moved
		case len(seen.final) > 0:
			return s.pods.failure(ctx, UnhealthyError{Objects: seen.final}, s.looked)
		case over:
			return s.pods.failure(ctx, UnhealthyError{Objects: seen.open, TimedOut: true, Timeout: s.deadline.Timeout}, s.looked)
		}
		if err := s.sleep(ctx, events, s.deadline.most(seen.next, s.looked)); err != nil {
			return err
		}
	}
}

// findings are what one look found.
type findings struct {
	open, final []judge.Health // what is not healthy, and what of it will not become so
	moved       error          // that an object is missing, or not as it was applied, any more
	next        time.Duration  // until a reason that is seen now becomes final
}

// judgeAll judges every object.
func (s *session) judgeAll(ctx context.Context, now time.Time) findings {
	f := findings{next: time.Hour}
	for _, id := range s.objects {
		h := s.judge(id)
		if err := s.live.IsUnwatchable(id); err != nil {
			h = judge.Health{ID: id, State: health.Unknown, Reason: err.Error()}
		}
		differs, moved := s.applied.compare(&h)
		if f.moved == nil {
			f.moved = moved
		}
		h.Held = h.Held && !differs
		if h.State == health.Healthy || s.patience.spent(h, now) {
			s.patience.left(h, now)
			s.pods.reset(id)
			continue
		}
		if object, ok := s.live.Get(id); ok && !differs && pods.Explain(id) {
			f.next = min(f.next, s.pods.explain(ctx, &h, object, now))
		}
		f.open = append(f.open, h)
		left := s.patience.left(h, now)
		if f.next = min(f.next, max(left, time.Millisecond)); ends(h, left) {
			f.final = append(f.final, h)
		}
	}
	s.report(f.open)
	return f
}

func (s *session) report(open []judge.Health) {
	text := ""
	for _, h := range open {
		text += h.ID.String() + h.Reason + "\n"
	}
	if text != s.last && s.progress != nil {
		s.progress(open)
	}
	s.last = text
}

// podPause is the least time between two looks for the sake of pods: a workload may
// have many, each with many events.
const podPause = 200 * time.Millisecond

// sleep waits for whatever comes first, and not longer than it may.
func (s *session) sleep(ctx context.Context, events <-chan struct{}, most time.Duration) error {
	told, err := first(ctx, events, s.pods.changed, most)
	if told && err == nil {
		pause := s.deadline.most(podPause-time.Since(s.looked), s.looked)
		_, err = first(ctx, nil, nil, pause)
	}
	return err
}

// first waits for the first of its arguments, and reports whether it was that of pods.
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
