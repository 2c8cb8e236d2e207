package agent

import (
	"context"
	"errors"
	"strings"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/source"
)

// errRefused says that the head was refused; its verdict says why.
var errRefused = errors.New("the commit is refused")

// errAway says that the head needs what can't be had now; its verdict says what.
var errAway = errors.New("the commit can't be read to its end")

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
	if e.inbox.readEnded(err); errors.Is(err, errInterrupted) {
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

// seen is what a look found, and what was decided.
type seen struct {
	load     *loaded
	jobs     []*job
	refusals []string
	pauses   []ledger.Pause // those in force when it was decided
	trouble  error          // why what changes could not be surveyed; it is tried again
}

// see reads and decides; it writes nothing. A newer head ends the reading and rendering
// of an older one, which may take long.
func (e *environment) see(ctx context.Context, head source.Head) (*seen, error) {
	reading, done := e.inbox.reading(ctx, head)
	defer done(nil)
	s := &seen{pauses: e.inbox.controlNow().Pauses}
	var err error
	if s.load, err = e.load(reading, head); err != nil {
		return nil, superseded(reading, err)
	}
	if s.jobs, err = e.jobs(ctx, s.load); err != nil {
		return nil, err
	}
	err = e.prepare(ctx, reading, s)
	if err == nil {
		err = e.giveUpBlocked(ctx, s.load, s.jobs)
	}
	return s, superseded(reading, err)
}

// superseded tells an error that is there since the reading was ended from others.
func superseded(reading context.Context, err error) error {
	if cause := context.Cause(reading); err != nil && errors.Is(cause, errInterrupted) {
		return cause
	}
	return err
}

// giveUpBlocked takes back what was begun and can't be gone on with, since a
// release that it depends on is held.
func (e *environment) giveUpBlocked(ctx context.Context, l *loaded, jobs []*job) error {
	byName := byKey(jobs)
	blocked := order(jobs, l.atomic()).Blocked(func(name string) bool { return byName[name].fails() })
	for _, j := range jobs {
		by := blocked[j.key.String()]
		if by == nil || j.decision.Act != decide.Resume || j.goesBack() {
			continue
		}
		j.state.Blocked = "blocked by " + strings.Join(releaseNames(by), ", ")
		j.release = nil
		j.decide()
		if err := e.keep(ctx, l, j); err != nil {
			return err
		}
	}
	return nil
}

func short(sha string) string { return sha[:min(7, len(sha))] }
