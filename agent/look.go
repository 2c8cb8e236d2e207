package agent

import (
	"context"
	"errors"

	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/source"
)

// look is one look at git and the cluster, and what follows from it. It returns
// nil when there is nothing left to do but to wait for what is under way,
// errRefused when the head changes nothing because it can't be had, errInterrupted
// when it is to be decided anew at once, and any other error when it is worth
// another look later.
func (e *environment) look(ctx context.Context) error {
	if a := e.rollouts.underWay(); a != nil {
		if a.ended() {
			return e.conclude(ctx, a)
		}
		if err := tellAway(ctx, e); err != nil {
			return err
		}
		if err := e.heed(ctx, a); err != nil {
			return err
		}
		return e.tend(ctx, a)
	}
	head := e.inbox.headNow()
	if head.SHA == "" {
		return tellAwayUnread(ctx, e)
	}
	if err := e.enter(ctx, head.Commit); err != nil {
		return err
	}
	if err := tellAway(ctx, e); err != nil {
		return err
	}
	seen, err := e.see(ctx, head)
	if e.inbox.readEnded(err); errors.Is(err, rollout.ErrInterrupted) {
		return err
	}
	if err == nil {
		err = e.settleRecords(ctx, seen.jobs)
	}
	if err == nil {
		err = e.yield(ctx, seen.jobs)
	}
	if err != nil {
		e.undecided(ctx, err)
		return err
	}
	if err := e.labelNamespace(ctx, seen); err != nil {
		e.undecided(ctx, err)
		return err
	}
	if a := e.start(ctx, seen); a.ended() {
		return e.conclude(ctx, a)
	}
	return nil
}

// see reads and decides; it writes nothing. A newer head ends the reading and rendering
// of an older one, which may take long.
func (e *environment) see(ctx context.Context, head source.Head) (*seen, error) {
	reading, done := e.inbox.reading(ctx, head)
	defer done(nil)
	l, err := e.load(reading, head)
	if err != nil {
		return nil, superseded(reading, err)
	}
	a, asked := e.assessor(), e.askedOf(l)
	found, err := a.Assess(ctx, reading, l, e.retries.refusal.known(asked, e.Now()))
	e.retries.busy(a.Busy, e.Now())
	if found == nil {
		return nil, err
	}
	if found.Preflight {
		e.retries.refusal.note(asked, found.Refusals, e.Now())
	}
	return &seen{Assessment: found, jobs: jobsOf(found.Releases), pauses: a.Control.Pauses}, superseded(reading, err)
}
