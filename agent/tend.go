package agent

import (
	"context"
	"errors"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
)

// tend looks after the releases that nothing is being done about, while a commit
// is carried out: what drifts is put back.
func (e *environment) tend(ctx context.Context, a *active) error {
	e.collect(a)
	for _, j := range a.jobs {
		if j.ended.over() && j.Decision.Act == decide.Repair && j.open(j.ended.err) && !errors.Is(j.ended.err, rollout.ErrInterrupted) && j.ended.putOff() {
			e.postpone(j.Key, j.ended.err) // it was tried just now
		}
		if e.Observed.Undisturbed(j.Key) {
			continue
		}
		if err := e.tendOne(ctx, a, j.Key); err != nil {
			return err
		}
	}
	e.tell(ctx)
	if err := e.mind(ctx, a); err != nil {
		return err
	}
	return e.publish(ctx, a)
}

// publish puts into the ledger what the rollouts under way wait for, and what became of
// those that have ended, so that whoever asks is told: others may be held for days.
func (e *environment) publish(ctx context.Context, a *active) error {
	now := e.Now()
	if now.Before(e.rollouts.published.Add(publishEvery)) {
		return nil
	}
	ended := a.justEnded()
	e.merge(ended)
	for _, j := range ended {
		j.unentered = false
		if r := e.ledger.Release(j.Key.Namespace, j.Key.Name); r != nil && j.Prepared != nil { // what is new or leaves is entered with all
			*r = e.describeRelease(ctx, j)
		}
	}
	news := len(ended) > 0
	for _, entry := range append(e.ledger.Open(), e.ledger.Head()) {
		if text := e.rollouts.soFar(entry); entry.Verdict == ledger.Progressing && entry.Reason != text {
			entry.Conclude(ledger.Progressing, text, now)
			news = true
		}
	}
	if !news {
		return nil
	}
	e.rollouts.published = now
	return e.store(ctx)
}

func (e *environment) tendOne(ctx context.Context, a *active, key observed.Key) error {
	lock := e.rollouts.lockOf(key)
	if !lock.TryLock() {
		return nil // it is being worked on
	}
	defer lock.Unlock()
	return e.lookAfter(ctx, a, key)
}

// lookAfter puts back what drifted of a release; its lock is held.
func (e *environment) lookAfter(ctx context.Context, a *active, key observed.Key) error {
	before, as := a.jobOf(key), e.assessor()
	r := as.Release(a.Commit, key, before.Spec, before.Prepared)
	if r.Changes() {
		r.Keep("its turn has not come")
	}
	if r.Changes() || r.Waits != nil {
		return nil
	}
	if err := as.Keep(ctx, a.Commit, r); err != nil {
		return err
	}
	if r.Decision.Act != decide.Repair {
		return nil
	}
	r.Own()
	o := e.executor(as, a.Commit).Run(ctx, a.waits, r, "")
	e.bulletin.putBack(o.Repaired)
	if (&job{Release: o.Release, outcome: o.Outcome}).open(o.Err) {
		e.postpone(key, o.Err)
	}
	return nil
}

// mind looks how those releases do that nothing is being done about, while a commit is
// carried out, which may take long.
func (e *environment) mind(ctx context.Context, a *active) error {
	news := false
	for _, j := range a.jobs {
		h, r := e.Observed.Baselines.HeldOf(j.Key), e.ledger.Release(j.Key.Namespace, j.Key.Name)
		if h == nil || r == nil || e.rollouts.worksOn(j.Key) {
			continue
		}
		was := r.Healthy
		ok, why := e.observe(j.Key, h)
		if r.Healthy = ok; !ok {
			r.Reason = ledger.Shorten(why)
		} else if !was {
			r.Reason = ""
		}
		e.agent.metrics.Health(e.Environment, r.Name, r.Healthy, r.Unhealthy())
		news = news || was != r.Healthy
	}
	if e.tellTurns() || news {
		return e.publishVerdicts(ctx)
	}
	return nil
}
