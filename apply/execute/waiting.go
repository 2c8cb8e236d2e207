package execute

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// turn is a slot among the requests that are under way at once. It is given back while
// its holder waits: what takes long must keep nobody else from asking.
type turn struct {
	queue   *kube.Queue
	release func()
}

func (t *turn) end() {
	if t.release != nil {
		t.release()
	}
}

// waiting is the time that what is not a request has: until there are no requests any
// more either, or until the caller's context for waits ends.
type waiting struct {
	context.Context
	ctx   context.Context // for requests
	turn  *turn           // that is held, nil for none
	since time.Time
	told  func([]judge.Health) // of what is waited for, nil for nobody
}

func waitingFor(ctx, waits context.Context, t *turn, told func([]judge.Health)) (*waiting, func()) {
	both, cancel := context.WithCancelCause(waits)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	return &waiting{Context: both, ctx: ctx, turn: t, since: time.Now(), told: told}, func() {
		stop()
		cancel(nil)
	}
}

func (w *waiting) report(id manifest.ID, reason string) {
	if w.told != nil {
		w.told([]judge.Health{{ID: id, State: health.Progressing, Reason: reason}})
	}
}

// idle waits without a turn, and takes one again.
func (w *waiting) idle(wait func() error) error {
	if w.turn == nil {
		return wait()
	}
	w.turn.end()
	w.turn.release = nil
	err := wait()
	release, taken := w.turn.queue.Acquire(w.ctx)
	if taken != nil {
		return errors.Join(err, taken)
	}
	w.turn.release = release
	return err
}

func (w *waiting) sleep(pause time.Duration) error {
	return w.idle(func() error {
		select {
		case <-time.After(pause):
			return nil
		case <-w.Done():
			return context.Cause(w)
		}
	})
}

// timeoutError returns the error with which a wait for an object ends: an UnhealthyError, which
// fails the rollout, if its deadline has passed.
func (w *waiting) timeoutError(err error, id manifest.ID, reason string) error {
	if !errors.Is(err, context.DeadlineExceeded) || w.ctx.Err() != nil {
		return fmt.Errorf("wait for %s: %w", id, err)
	}
	return &wait.UnhealthyError{Objects: []judge.Health{{ID: id, State: health.Progressing, Reason: reason}}, TimedOut: true, Timeout: time.Since(w.since).Round(time.Second)}
}
