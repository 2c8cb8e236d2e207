package rollout

import (
	"context"
	"time"

	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/apply/wait"
)

// deadlineOf returns when what began at a time has to have ended, to the second, as a record
// keeps it.
func deadlineOf(begun time.Time, timeout time.Duration) time.Time {
	return begun.Add(timeout).Truncate(time.Second).Add(time.Second)
}

// resume has a rollout that is gone on with end by its start and the time-out that git asks for
// now. What waited for somebody (waitWhileHeld) has ended later than that already.
func (x *recorder) resume(ctx context.Context, j *run, rec *record.Record) error {
	if rec.Deadline.IsZero() { // written by an agent that recorded none
		rec.Deadline = deadlineOf(x.Now(), j.Spec.Timeout)
		return nil
	}
	begun := rec.Updated()
	if j.Spec.File == "" && !begun.IsZero() { // environment.yaml can't be read: it says no time-out
		j.Spec.Timeout = rec.Deadline.Sub(begun).Truncate(time.Second)
		return nil
	}
	deadline := deadlineOf(begun, j.Spec.Timeout)
	if begun.IsZero() || deadline.Equal(rec.Deadline) || j.Spec.WaitWhileHeld && deadline.Before(rec.Deadline) {
		return nil
	}
	x.Log.Info("the time-out was changed", "release", j.Spec.Name, "until", deadline.UTC().Format(time.RFC3339))
	if err := x.records.Hold(ctx, rec, deadline, rec.HeldSince); err != nil {
		return err
	}
	rec.Deadline = deadline
	x.remember(j, j.State.History)
	return nil
}

// bounds are what a job's wait has: the rollout's that a record keeps, or those of one
// that begins now.
func (x *recorder) bounds(j *run, rec *record.Record) wait.Bounds {
	b := wait.Within(j.Spec.Timeout, x.Now())
	if rec != nil && !rec.Deadline.IsZero() {
		b.Deadline = rec.Deadline
	}
	b.Graces = j.Spec.Graces
	if j.Spec.WaitWhileHeld {
		b.SaveHold = x.saveHold(j, rec)
	}
	if rec != nil && j.Spec.WaitWhileHeld {
		b.HeldSince = rec.HeldSince
	}
	return b
}

// saveHold returns what keeps, with the record of a rollout, that its deadline waits for
// what is held. What has no record begins anew after a restart.
func (x *recorder) saveHold(j *run, rec *record.Record) func(ctx context.Context, deadline, since time.Time) error {
	return func(ctx context.Context, deadline, since time.Time) error {
		if rec == nil {
			return nil
		}
		if since.IsZero() { // as a record keeps it: to the second, and not earlier
			deadline = deadline.Truncate(time.Second).Add(time.Second)
		}
		err := x.records.Hold(ctx, rec, deadline, since)
		if err != nil {
			rec.Deadline, rec.HeldSince = deadline, since // the next write of the record has it
			x.Log.Warn("that the deadline waits for what is held, or goes on, can't be recorded yet", "release", j.Spec.Name, "error", err)
		}
		x.remember(j, j.State.History)
		return err
	}
}
