package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// errNotLive blocks the releases that depend on one that is not what git asks
// for.
var errNotLive = errors.New("it is not what git asks for")

func (e *environment) carryOutOne(ctx, waits context.Context, l *loaded, j *job) error {
	if j.waits != nil {
		return j.waits
	}
	if err := context.Cause(waits); err != nil {
		return err // it is decided anew before anything is begun
	}
	err := e.act(ctx, waits, l, j)
	if denied(err) && j.changes() {
		j.outcome.Name, j.outcome.Outcome, j.outcome.Reason = j.spec.Name, string(ledger.Failed), err.Error()
		if j.outcome.Action == "" { // it could not even begin
			j.outcome.Action = string(j.decision.Act)
		}
	}
	return err
}

// denied reports whether the API server lets no record be written. That is a verdict, and
// yet tried again: somebody may raise the quota, or give the permission back.
func denied(err error) bool {
	var d *record.DeniedError
	return errors.As(err, &d)
}

func (e *environment) act(ctx, waits context.Context, l *loaded, j *job) error {
	switch j.decision.Act {
	case decide.None:
		return e.stillHealthy(waits, j)
	case decide.Hold:
		return errNotLive
	case decide.Repair:
		return e.repair(ctx, waits, l, j)
	case decide.Uninstall:
		return e.uninstall(ctx, waits, j)
	default:
		return e.rollout(ctx, waits, l, j)
	}
}

// stillHealthy lets releases that are to change start only on what is healthy now.
func (e *environment) stillHealthy(waits context.Context, j *job) error {
	h := e.baselines.heldOf(j.key)
	if h == nil {
		return nil
	}
	return e.cluster.WaitFor(waits, h.lasting, e.bounds(j, nil), nil)
}

// rollout brings a release to what was decided. When it fails it decides again,
// so that a release which is to be tried again, or has to go back, does so at once, whatever
// else is still under way.
func (e *environment) rollout(ctx, waits context.Context, l *loaded, j *job) error {
	was := j.decision
	err := e.attempt(ctx, waits, l, j)
	for e.decideAgain(j) {
		if j.goesBack() {
			return e.goBack(ctx, waits, l, j, err)
		}
		tried := j.state.History.Last()
		if err = e.goOn(ctx, waits, l, j); j.state.History.Last() == tried {
			return err // it could not even begin
		}
	}
	if err == nil {
		j.tellBack(was)
	}
	return err
}

// decideAgain decides anew after a rollout has failed, and reports whether it is to be
// tried again or to go back.
func (e *environment) decideAgain(j *job) bool {
	failed := j.state.History.Last()
	if j.outcome.Outcome != string(ledger.Failed) || failed == nil || failed.Outcome != record.Failed {
		return false // it has not ended, or could not be recorded, or what runs is what git asks for
	}
	j.state.Retry = false // it was tried again
	j.decision = decide.Decide(j.state)
	return j.changes()
}

// tellBack says of a job that went back after a failure that the commit did not become
// live, where another process, or an earlier look, saw the failure.
func (j *job) tellBack(was decide.Decision) {
	switch {
	case j.state.Aborted != "":
		j.outcome.Outcome, j.outcome.Reason = string(ledger.RolledBack), j.state.Aborted
	case was.Behind && j.outcome.Action == string(record.Rollback):
		j.outcome.Outcome = string(ledger.RolledBack)
		j.outcome.Reason = rolledBack(j.state.History.FailedWith(j.state.Want), j.outcome.Revision)
	}
}

// goBack carries out the rollback that was decided on after a failure, and says what became
// of both.
func (e *environment) goBack(ctx, waits context.Context, l *loaded, j *job, failure error) error {
	outcome := j.outcome
	back := e.goOn(ctx, waits, l, j)
	revision := j.outcome.Revision
	j.outcome = outcome
	switch {
	case back == nil:
		for _, c := range j.plan.Changes { // it was handed over, and that failed
			if c.Action == plan.Keep && c.Object == nil {
				e.baselines.offer(c.ID)
			}
		}
		j.outcome.Outcome = string(ledger.RolledBack)
		j.outcome.Reason = fmt.Sprintf("%s; rolled back (revision %d)", outcome.Reason, revision)
		return failure
	case errors.Is(back, errInterrupted) || apierror.Transient(back) || ctx.Err() != nil:
		j.outcome.Outcome = string(ledger.Progressing) // it is gone on with
	default:
		j.outcome.Reason = fmt.Sprintf("%s; and going back failed: %v", outcome.Reason, back)
	}
	return errors.Join(failure, back)
}

// own is what of some objects the job has not left to another release.
func (j *job) own(ids []manifest.ID) []manifest.ID {
	ceded := j.plan.Ceded()
	if len(ceded) == 0 {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id manifest.ID) bool { return slices.Contains(ceded, id) })
}

// goOn plans and carries out what was decided after a failure, unless a newer head or a
// pause came meanwhile.
func (e *environment) goOn(ctx, waits context.Context, l *loaded, j *job) error {
	if err := context.Cause(waits); err != nil {
		return err
	}
	if err := e.describe(ctx, j); err != nil {
		return err
	}
	if err := e.surveyAll(ctx, j, plan.Coming{Moves: e.moves(ctx, nil)}); err != nil {
		return err
	}
	if err := j.refused(); err != nil {
		return err
	}
	return e.attempt(ctx, waits, l, j)
}
