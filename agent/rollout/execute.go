package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply/execute"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// execute makes the cluster have what the record intends, by the record's deadline.
func (x *Executor) execute(ctx, waits context.Context, j *run, rec *record.Record) error {
	pre, post := assess.HookEvents(rec.Action)
	if rec.HookEvent != post { // else the pre hooks ran before an interruption
		if err := x.runHooks(ctx, waits, j, j.Manifest.Hooks, rec, pre); err != nil {
			return err
		}
	}
	j.applied = true
	if err := x.applyAndWait(ctx, waits, j, rec); err != nil {
		return err
	}
	if err := x.runHooks(ctx, waits, j, j.Manifest.Hooks, rec, post); err != nil {
		return err
	}
	bounds := x.bounds(j, rec) // the deadline may have waited
	if rec.Digest == j.Asked { // else the checks are of the version that is left
		if err := x.cluster.Verify(waits, j.Owner, j.Manifest.Hooks, j.Spec.Verify, bounds, x.waiting(j)); err != nil {
			return err
		}
	}
	if err := x.cluster.Prune(waits, j.Plan, bounds, x.waiting(j)); err != nil {
		var denied *execute.DeletionError
		if waits.Err() == nil && errors.As(err, &denied) {
			return &leftoverError{fmt.Errorf("not all of the former version may be deleted: %w", err)}
		}
		if waits.Err() == nil && bounds.Left(x.Now()) == 0 {
			return &leftoverError{fmt.Errorf("not all of the former version is gone after %s: %w", j.Spec.Timeout, err)}
		}
		return err
	}
	return x.awaitHealthy(ctx, waits, j, rec) // it may have been changed since it was healthy
}

// reached is what a record keeps of how far a rollout came that failed.
func (j *run) reached() []record.Change {
	if j.applied {
		return nil
	}
	return []record.Change{record.BeforeObjects}
}

// againPause is the time between a deletion and applying it again: whoever deletes
// may do it each time.
const againPause = time.Second

// applyAndWait applies a plan and waits until its objects are healthy.
func (x *Executor) applyAndWait(ctx, waits context.Context, j *run, rec *record.Record) error {
	if err := x.apply(ctx, waits, j, x.bounds(j, rec)); err != nil {
		return err
	}
	return x.awaitHealthy(ctx, waits, j, rec)
}

// apply writes a job's plan, within its bounds.
func (x *Executor) apply(ctx, waits context.Context, j *run, bounds wait.Bounds) error {
	within, cancel := context.WithDeadline(waits, bounds.End(x.Now()))
	defer cancel()
	return x.cluster.Apply(ctx, within, j.Owner, j.Plan, x.waiting(j))
}

// awaitHealthy waits until what a job applied is healthy, and as it was applied. What somebody
// deletes or changes meanwhile is applied again, until the deadline; where drift is
// only told it is told, and waited for.
func (x *Executor) awaitHealthy(ctx, waits context.Context, j *run, rec *record.Record) error {
	var left map[manifest.ID]string
	for {
		bounds := x.bounds(j, rec)
		err := x.cluster.Wait(waits, wait.Awaited{Objects: j.NotLeftToOthers(j.IDs), Bounds: bounds, Strict: j.Owner.Strict, Left: left, Progress: x.waiting(j)})
		if !errors.Is(err, wait.ErrMissing) && !errors.Is(err, wait.ErrChanged) {
			return err
		}
		select {
		case <-time.After(min(againPause, bounds.Left(x.Now()))):
		case <-waits.Done():
			return context.Cause(waits)
		}
		if err := x.surveyor.Reload(j.Release); err != nil {
			return err
		}
		if err := x.surveyor.Survey(ctx, j.Release, j.Plan.ForReplan()); err != nil {
			return err
		}
		if err := j.Refused(); err != nil {
			return err
		}
		if left = x.reportDrifts(ctx, j); !j.State.Correct {
			continue
		}
		if err := x.apply(ctx, waits, j, x.bounds(j, rec)); err != nil {
			return err
		}
		x.Metrics.Corrected(x.Environment, j.Spec.Name, changed(left))
		left = nil
	}
}
