// Package rollout carries out the decision about one release: it takes an assessed release,
// stores a pending record, runs hooks, applies, waits, prunes, and returns an Outcome. When a
// rollout fails, the release is decided on again at once.
//
// It does not know the loop, the ledger's entries or other releases, except those from which
// an object was handed over.
package rollout

import (
	"context"
	"errors"
	"fmt"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
)

// ErrNotLive blocks the releases that depend on one that is not what git asks
// for.
var ErrNotLive = errors.New("release is not what git asks for")

func (x *Executor) carryOut(ctx, waits context.Context, j *run) error {
	if j.Waits != nil {
		return j.Waits
	}
	if err := context.Cause(waits); err != nil {
		return err // it is decided anew before anything is begun
	}
	err := x.act(ctx, waits, j)
	if RecordsDenied(err) && j.Changes() {
		j.outcome.Name, j.outcome.Outcome.Outcome, j.outcome.Reason = j.Spec.Name, string(ledger.Failed), err.Error()
		if j.outcome.Action == "" { // it could not even begin
			j.outcome.Action = string(j.Decision.Act)
		}
	}
	return err
}

// RecordsDenied reports whether the API server does not allow records to be written. The commit
// fails, and yet the release is tried again: somebody may raise the quota, or grant the
// permission.
func RecordsDenied(err error) bool {
	var d *record.DeniedError
	return errors.As(err, &d)
}

func (x *Executor) act(ctx, waits context.Context, j *run) error {
	switch j.Decision.Act {
	case decide.None:
		return x.dependenciesHealthy(waits, j)
	case decide.Hold:
		return ErrNotLive
	case decide.Repair:
		return x.repair(ctx, waits, j)
	case decide.Uninstall:
		return x.uninstall(ctx, waits, j)
	default:
		return x.rollout(ctx, waits, j)
	}
}

// dependenciesHealthy lets releases that are to change start only on what is healthy now.
func (x *Executor) dependenciesHealthy(waits context.Context, j *run) error {
	h := x.Observed.Baselines.Of(j.Key)
	if h == nil {
		return nil
	}
	return x.cluster.WaitFor(waits, h.Lasting, x.bounds(j, nil), nil)
}

// rollout brings a release to what was decided. When it fails it decides again,
// so that a release which is to be tried again, or has to go back, does so at once, whatever
// else is still under way.
func (x *Executor) rollout(ctx, waits context.Context, j *run) error {
	was := j.Decision
	err := x.attempt(ctx, waits, j)
	for x.decideAgain(j) {
		if j.GoesBack() {
			return x.rollBack(ctx, waits, j, err)
		}
		tried := j.State.History.Last()
		if err = x.carryOutAgain(ctx, waits, j); j.State.History.Last() == tried {
			return err // it could not even begin
		}
	}
	if err == nil {
		j.reportRollback(was)
	}
	return err
}

// decideAgain decides anew after a rollout has failed, and reports whether it is to be
// tried again or to go back.
func (x *Executor) decideAgain(j *run) bool {
	failed := j.State.History.Last()
	if j.outcome.Outcome.Outcome != string(ledger.Failed) || failed == nil || failed.Outcome != record.Failed {
		return false // it has not ended, or could not be recorded, or what runs is what git asks for
	}
	j.State.Retry = false // it was tried again
	j.Decision = decide.Decide(j.State)
	return j.Changes()
}

// reportRollback says of a job that went back after a failure that the commit did not become
// live, where another process, or an earlier pass, saw the failure.
func (j *run) reportRollback(was decide.Decision) {
	switch {
	case j.State.Aborted != "":
		j.outcome.Outcome.Outcome, j.outcome.Reason = string(ledger.RolledBack), j.State.Aborted
	case was.Behind && j.outcome.Action == string(record.Rollback):
		j.outcome.Outcome.Outcome = string(ledger.RolledBack)
		j.outcome.Reason = RolledBack(j.State.History.FailedWith(j.State.Want), j.outcome.Revision)
	}
}

// rollBack carries out the rollback that was decided on after a failure, and enters the outcome of
// both.
func (x *Executor) rollBack(ctx, waits context.Context, j *run, failure error) error {
	outcome := j.outcome.Outcome
	back := x.carryOutAgain(ctx, waits, j)
	revision := j.outcome.Revision
	j.outcome.Outcome = outcome
	switch {
	case back == nil:
		for _, c := range j.Plan.Changes { // it was handed over, and that failed
			if c.Action == plan.Keep && c.Object == nil {
				x.Observed.Baselines.ObjectReleased(c.ID)
			}
		}
		j.outcome.Outcome.Outcome = string(ledger.RolledBack)
		j.outcome.Reason = fmt.Sprintf("%s; rolled back (revision %d)", outcome.Reason, revision)
		return failure
	case errors.Is(back, ErrInterrupted) || apierror.Transient(back) || ctx.Err() != nil:
		j.outcome.Outcome.Outcome = string(ledger.Progressing) // it is gone on with
	default:
		j.outcome.Reason = fmt.Sprintf("%s; and going back failed: %v", outcome.Reason, back)
	}
	return errors.Join(failure, back)
}

// carryOutAgain plans and carries out what was decided after a failure, unless a newer head or a
// pause came meanwhile.
func (x *Executor) carryOutAgain(ctx, waits context.Context, j *run) error {
	if err := context.Cause(waits); err != nil {
		return err
	}
	if err := x.surveyor.Describe(ctx, j.Release); err != nil {
		return err
	}
	if err := x.surveyor.SurveyRollout(ctx, j.Release, plan.Provisions{Moves: x.surveyor.Moves(ctx, nil)}); err != nil {
		return err
	}
	if err := j.Refused(); err != nil {
		return err
	}
	return x.attempt(ctx, waits, j)
}

// RolledBack is the reason of a rollout that failed and went back.
func RolledBack(failed *record.Record, revision int) string {
	back := fmt.Sprintf("rolled back (revision %d)", revision)
	if failed == nil {
		return back
	}
	return failed.Description() + "; " + back
}

// Run carries out the decision about a release, and returns its outcome. The release is the
// rollout's from now on, with records of its own: who reads what the environment has
// observed never sees one that is being written. waits ends when a newer decision is to be
// made; ctx ends all.
func (x *Executor) Run(ctx, waits context.Context, rel *assess.Release, commit string) Outcome {
	j := &run{Release: rel, commit: commit}
	defer x.waiting(j)(nil)
	j.outcome.Err = x.carryOut(ctx, waits, j)
	rel.Drop()
	j.outcome.Release = rel
	return j.outcome
}
