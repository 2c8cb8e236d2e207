package apply

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/quota"
	"github.com/xetys/tether/render/manifest"
)

// recreate deletes an object and creates it again once it is gone, if the API server
// would have a new one now: what it says may have changed since the plan was made.
func (c *Cluster) recreate(ctx context.Context, w *waiting, ch plan.Change, coming plan.Coming) error {
	refusal, err := c.succession(ctx, ch.Object, ch.Live, coming)
	switch why := coming.Deferral(ch.Object, refusal); {
	case err != nil:
		return fmt.Errorf("create %s anew: %w", ch.ID, err)
	case why != "":
		return fmt.Errorf("create %s anew: %s: %w", ch.ID, why, errComing)
	case refusal != nil:
		return &RefusedError{ID: ch.ID, Why: fmt.Sprintf("it can't be changed in place, and is not deleted, since a new one would be refused: %v", refusal), err: refusal}
	}
	if w.Err() != nil { // it would be gone, and nothing in its place
		return w.ended(context.Cause(w), ch.ID, "it has to be deleted, to be created anew, and there is no time left")
	}
	if ch.Live.GetDeletionTimestamp() == nil {
		if err := apierror.Retry(ctx, func() error { return c.remove(ctx, ch.Live) }); err != nil {
			return err
		}
	}
	if err := w.idle(func() error { return c.replaceable(w, ch) }); err != nil {
		return err
	}
	return c.follow(ctx, w, ch)
}

// follow creates an object in the place of one that is gone. A quota counts that one for
// some seconds more.
func (c *Cluster) follow(ctx context.Context, w *waiting, ch plan.Change) error {
	gone := ch.Live
	ch.Live, ch.Judged = nil, nil
	for pause := definitionPause; ; pause = min(2*pause, longestDelay) {
		err := c.writeAgain(ctx, plan.Owner{}, ch)
		if q := quota.ExcessOf(err); q == nil || !q.Fits(quota.FreedBy(gone, q.Requested), nil) {
			return err
		}
		if ended := w.sleep(pause); ended != nil {
			return w.ended(ended, ch.ID, err.Error())
		}
	}
}

// replaceable waits until an object that was deleted is gone.
func (c *Cluster) replaceable(w *waiting, ch plan.Change) error {
	uid, reason := ch.Live.GetUID(), "it is being deleted, to be created anew"
	err := c.until(w.Context, ch.ID, func() (bool, error) {
		live, ok := c.Live.Get(ch.ID)
		if !ok || live.GetUID() != uid {
			return true, nil
		}
		if f := live.GetFinalizers(); len(f) > 0 && live.GetDeletionTimestamp() != nil {
			reason = fmt.Sprintf("it is being deleted, to be created anew, and finalizers %v hold it", f)
		}
		w.tell(ch.ID, reason)
		return false, nil
	})
	if err == nil {
		return nil
	}
	return w.ended(err, ch.ID, reason)
}

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
	told  func([]Health) // of what is waited for, nil for nobody
}

func waitingFor(ctx, waits context.Context, t *turn, told func([]Health)) (*waiting, func()) {
	both, cancel := context.WithCancelCause(waits)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	return &waiting{Context: both, ctx: ctx, turn: t, since: time.Now(), told: told}, func() {
		stop()
		cancel(nil)
	}
}

func (w *waiting) tell(id manifest.ID, reason string) {
	if w.told != nil {
		w.told([]Health{{ID: id, State: Progressing, Reason: reason}})
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

// ended says how a wait ended for an object: the rollout fails if its time is up.
func (w *waiting) ended(err error, id manifest.ID, reason string) error {
	if !errors.Is(err, context.DeadlineExceeded) || w.ctx.Err() != nil {
		return fmt.Errorf("wait for %s: %w", id, err)
	}
	return &UnhealthyError{Objects: []Health{{ID: id, State: Progressing, Reason: reason}}, TimedOut: true, Timeout: time.Since(w.since).Round(time.Second)}
}
