package execute

import (
	"context"
	"fmt"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/quota"
)

// recreate deletes an object and creates it again once it is gone, if the API server
// would have a new one now: what it says may have changed since the plan was made.
func (x *Executor) recreate(ctx context.Context, w *waiting, ch plan.Change, provisions plan.Provisions) error {
	refusal, err := x.surveyor.Replacement(ctx, ch.Object, ch.Live, provisions)
	switch why := provisions.Deferral(ch.Object, refusal); {
	case err != nil:
		return fmt.Errorf("create %s anew: %w", ch.ID, err)
	case why != "":
		return fmt.Errorf("create %s anew: %s: %w", ch.ID, why, errPrerequisite)
	case refusal != nil:
		return &RefusedError{ID: ch.ID, Why: fmt.Sprintf("it can't be changed in place, and is not deleted, since a new one would be refused: %v", refusal), err: refusal}
	}
	if w.Err() != nil { // it would be gone, and nothing in its place
		return w.timeoutError(context.Cause(w), ch.ID, "it has to be deleted, to be created anew, and there is no time left")
	}
	if ch.Live.GetDeletionTimestamp() == nil {
		if err := apierror.Retry(ctx, func() error { return x.remove(ctx, ch.Live) }); err != nil {
			return err
		}
	}
	if err := w.idle(func() error { return x.awaitDeleted(w, ch) }); err != nil {
		return err
	}
	return x.createAgain(ctx, w, ch)
}

// createAgain creates an object in the place of one that is gone. A quota counts that one for
// some seconds more.
func (x *Executor) createAgain(ctx context.Context, w *waiting, ch plan.Change) error {
	gone := ch.Live
	ch.Live, ch.DryRun = nil, nil
	for pause := definitionPause; ; pause = min(2*pause, maxDelay) {
		err := x.writeAgain(ctx, plan.Owner{}, ch)
		if q := quota.ExcessOf(err); q == nil || !q.Fits(quota.FreedBy(gone, q.Requested), nil) {
			return err
		}
		if ended := w.sleep(pause); ended != nil {
			return w.timeoutError(ended, ch.ID, err.Error())
		}
	}
}

// awaitDeleted waits until an object that is to be created anew is gone.
func (x *Executor) awaitDeleted(w *waiting, ch plan.Change) error {
	uid, reason := ch.Live.GetUID(), "it is being deleted, to be created anew"
	err := x.until(w.Context, ch.ID, func() (bool, error) {
		object, ok := x.live.Get(ch.ID)
		if !ok || object.GetUID() != uid {
			return true, nil
		}
		if f := object.GetFinalizers(); len(f) > 0 && object.GetDeletionTimestamp() != nil {
			reason = fmt.Sprintf("it is being deleted, to be created anew, and finalizers %v hold it", f)
		}
		w.report(ch.ID, reason)
		return false, nil
	})
	if err == nil {
		return nil
	}
	return w.timeoutError(err, ch.ID, reason)
}
