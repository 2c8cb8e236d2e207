package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// execute makes the cluster have what the record intends, by the record's deadline.
func (e *environment) execute(ctx, waits context.Context, j *job, rec *record.Record) error {
	pre, post := hookEvents(rec.Action)
	if rec.HookEvent != post { // else the pre hooks ran before an interruption
		if err := e.runHooks(ctx, waits, j, j.release.Hooks, rec, pre); err != nil {
			return err
		}
	}
	j.applied = true
	if err := e.settleIn(ctx, waits, j, rec); err != nil {
		return err
	}
	if err := e.runHooks(ctx, waits, j, j.release.Hooks, rec, post); err != nil {
		return err
	}
	bounds := e.bounds(j, rec) // the deadline may have waited
	if rec.Digest == j.asked { // else the checks are of the version that is left
		if err := e.cluster.Verify(waits, j.owner, j.release.Hooks, j.spec.Verify, bounds, e.waiting(j)); err != nil {
			return err
		}
	}
	if err := e.cluster.Prune(waits, j.plan, bounds, e.waiting(j)); err != nil {
		var denied *apply.DeletionError
		if waits.Err() == nil && errors.As(err, &denied) {
			return &leftoverError{fmt.Errorf("not all of the former version may be deleted: %w", err)}
		}
		if waits.Err() == nil && bounds.Left(e.agent.opts.Now()) == 0 {
			return &leftoverError{fmt.Errorf("not all of the former version is gone after %s: %w", j.spec.Timeout, err)}
		}
		return err
	}
	return e.stay(ctx, waits, j, rec) // it may have been changed since it was healthy
}

// reached is what a record keeps of how far a rollout came that failed.
func (j *job) reached() []record.Change {
	if j.applied {
		return nil
	}
	return []record.Change{record.BeforeObjects}
}

// againPause is the time between a deletion and applying it again: whoever deletes
// may do it each time.
const againPause = time.Second

// settleIn applies a plan and waits until its objects are healthy.
func (e *environment) settleIn(ctx, waits context.Context, j *job, rec *record.Record) error {
	if err := e.apply(ctx, waits, j, e.bounds(j, rec)); err != nil {
		return err
	}
	return e.stay(ctx, waits, j, rec)
}

// apply writes a job's plan, within its bounds.
func (e *environment) apply(ctx, waits context.Context, j *job, bounds apply.Bounds) error {
	within, cancel := context.WithDeadline(waits, bounds.End(e.agent.opts.Now()))
	defer cancel()
	return e.cluster.Apply(ctx, within, j.owner, j.plan, e.waiting(j))
}

// stay waits until what a job applied is healthy, and as it was applied. What somebody
// deletes or changes meanwhile is applied again, until the deadline; where drift is
// only told it is told, and waited for.
func (e *environment) stay(ctx, waits context.Context, j *job, rec *record.Record) error {
	var left map[manifest.ID]string
	for {
		bounds := e.bounds(j, rec)
		err := e.cluster.Wait(waits, apply.Awaited{Objects: j.own(j.ids), Bounds: bounds, Strict: j.owner.Strict, Left: left, Progress: e.waiting(j)})
		if !errors.Is(err, apply.ErrMissing) && !errors.Is(err, apply.ErrChanged) {
			return err
		}
		select {
		case <-time.After(min(againPause, bounds.Left(e.agent.opts.Now()))):
		case <-waits.Done():
			return context.Cause(waits)
		}
		if err := e.flesh(j); err != nil {
			return err
		}
		if err := e.survey(ctx, j, j.plan.Again()); err != nil {
			return err
		}
		if err := j.refused(); err != nil {
			return err
		}
		if left = e.tellChanges(ctx, j); !j.state.Correct {
			continue
		}
		if err := e.apply(ctx, waits, j, e.bounds(j, rec)); err != nil {
			return err
		}
		e.agent.metrics.PutBack(e.name, j.spec.Name, changed(left))
		left = nil
	}
}

// tellChanges says what of a rollout's objects somebody changed, and returns what each
// of them is like.
func (e *environment) tellChanges(ctx context.Context, j *job) map[manifest.ID]string {
	out, doing := map[manifest.ID]string{}, "leaving it"
	if j.state.Correct {
		doing = "putting it back"
	}
	for _, c := range j.plan.Drifted() {
		switch {
		case c.Action == plan.Delete:
		case c.Live != nil && len(j.owner.Differences(c)) == 0:
			out[c.ID] = "" // it is as it was applied, only by somebody else
		default:
			out[c.ID] = e.reportDrift(ctx, j, c, doing)
		}
	}
	return out
}

// changed counts the objects that are not as they were applied.
func changed(told map[manifest.ID]string) int {
	n := 0
	for _, text := range told {
		if text != "" {
			n++
		}
	}
	return n
}

// runHooks runs the hooks of one event, and records each that has ended: an
// interruption runs none of them twice.
func (e *environment) runHooks(ctx, waits context.Context, j *job, hooks []manifest.Hook, rec *record.Record, event string) error {
	run := apply.HookRun{Event: event, Bounds: e.bounds(j, rec), Progress: e.waiting(j), Revision: rec.Revision, Request: rec.Request, Coming: j.plan.Again()}
	if rec.HookEvent == event {
		run.Skip = rec.HooksDone
	}
	run.Ran = func(n int, h manifest.Hook, started time.Time, err error) error {
		return e.cluster.Records.HookRan(ctx, rec, event, n, h, started, e.agent.opts.Now(), err != nil)
	}
	return e.cluster.RunHooks(waits, j.owner, hooks, run)
}

// hookEvents are the events whose hooks the job's rollout runs.
func (j *job) hookEvents() []string {
	action := actions[j.decision.Act]
	if j.decision.Act == decide.Resume {
		action = j.state.History.Pending().Action
	}
	pre, post := hookEvents(action)
	if slices.ContainsFunc(j.spec.Verify, func(c manifest.Check) bool { return c.Test }) {
		return []string{pre, post, plan.Test}
	}
	return []string{pre, post}
}

func hookEvents(a record.Action) (pre, post string) {
	switch a {
	case record.Install:
		return plan.PreInstall, plan.PostInstall
	case record.Rollback:
		return plan.PreRollback, plan.PostRollback
	default:
		return plan.PreUpgrade, plan.PostUpgrade
	}
}

// waiting says what a rollout waits for, whenever that changes: to the ledger, and
// to the log, not more often than a person can read.
func (e *environment) waiting(j *job) func([]apply.Health) {
	var last time.Time
	return func(open []apply.Health) {
		text := ""
		if len(open) > 0 {
			text = fmt.Sprintf("%s: %s", open[0].ID, open[0].Reason)
		}
		e.rollouts.wait(j.key, e.bulletin.veil.text(text))
		e.inbox.nudge()
		now := e.agent.opts.Now()
		if len(open) == 0 || now.Sub(last) < 2*time.Second {
			return
		}
		last = now
		e.log.Info("waiting", "release", j.spec.Name, "for", open[0].ID.String(), "reason", open[0].Reason, "more", len(open)-1)
	}
}
