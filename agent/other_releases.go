package agent

import (
	"context"
	"errors"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
)

// reconcileOthers corrects the drift of the releases that nothing is being done about while a deploy
// is under way, and enters their health and the progress of the rollouts into the ledger.
func (e *environment) reconcileOthers(ctx context.Context, d *deploy.Deploy) error {
	e.verdicts.Repaired(d.Collect())
	for _, j := range d.Jobs {
		if err := j.End.Err; j.End.Over() && j.Decision.Act == decide.Repair && j.Open(err) && !errors.Is(err, rollout.ErrInterrupted) && j.End.Postpone() {
			e.verdicts.Postpone(j.Key, err) // it was tried just now
		}
		if e.Observed.Undisturbed(j.Key) {
			continue
		}
		if err := e.reconcileOther(ctx, d, j.Key); err != nil {
			return err
		}
	}
	e.verdicts.Announce(ctx, e.verdicts.Ledger)
	if err := e.releases.UpdateHealth(ctx, d, &e.rollouts); err != nil {
		return err
	}
	return e.releases.SaveProgress(ctx, d, &e.rollouts)
}

func (e *environment) reconcileOther(ctx context.Context, d *deploy.Deploy, key observed.Key) error {
	lock := e.rollouts.LockOf(key)
	if !lock.TryLock() {
		return nil // it is being worked on
	}
	defer lock.Unlock()
	return e.correct(ctx, d, key)
}

// correct puts back what drifted of a release; its lock is held.
func (e *environment) correct(ctx context.Context, d *deploy.Deploy, key observed.Key) error {
	before, a := d.JobOf(key), e.assessor()
	r := a.Release(d.Commit, key, before.Spec, before.Prepared)
	if r.Changes() {
		r.KeepCurrent("its turn has not come")
	}
	if r.Changes() || r.Waits != nil {
		return nil
	}
	if err := a.DetectDrift(ctx, d.Commit, r); err != nil {
		return err
	}
	if r.Decision.Act != decide.Repair {
		return nil
	}
	r.Own()
	o := e.executor(a, d.Commit).Run(ctx, d.Waits, r, "")
	e.verdicts.Repaired(o.Repaired)
	if (&deploy.Job{Release: o.Release, Outcome: o.Outcome}).Open(o.Err) {
		e.verdicts.Postpone(key, o.Err)
	}
	return nil
}
