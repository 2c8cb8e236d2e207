package agent

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/render"
)

// heed reads a head that came while a commit is carried out, and stops that only if the
// new head concerns it: if it asks for something else of a release that is under way, or
// changes another one. A commit elsewhere in the repository interrupts nothing.
func (e *environment) heed(ctx context.Context, a *active) error {
	head := e.inbox.headNow()
	seen := head.SHA + " " + reason(head.Untrusted)
	if head.SHA == a.Commit.SHA && reason(head.Untrusted) == a.Commit.Untrusted || a.heeded == seen || a.waits.Err() != nil {
		return nil
	}
	if err := e.enter(ctx, head.Commit); err != nil {
		return err
	}
	reading, done := e.inbox.reading(ctx, head)
	defer done(nil)
	l, err := e.load(reading, head)
	if err != nil {
		if err = superseded(reading, err); errors.Is(err, rollout.ErrInterrupted) {
			e.inbox.trigger() // for the newer one
			return nil
		}
		return err
	}
	as := e.assessor()
	releases, err := as.Releases(ctx, l)
	e.retries.busy(as.Busy, e.Now())
	if err != nil {
		return err
	}
	if l.Unread() == nil && e.concerned(a, releases) {
		a.stop(errSuperseded)
		return nil
	}
	a.heeded = seen
	entry := e.ledger.Head()
	switch {
	case l.Err != nil:
		e.give(entry, ledger.Refused, l.Err.Error())
	case l.Away != nil:
		entry.Conclude(ledger.Pending, e.Veil.Text(l.Away.Error()), e.Now())
	default:
		entry.Conclude(ledger.Progressing, e.rollouts.soFar(entry), e.Now())
	}
	return e.publishVerdicts(ctx)
}

// sameWork reports whether a rollout is done in the same way.
func sameWork(a, b render.ReleaseSpec) bool {
	return a.Timeout == b.Timeout && a.WaitWhileHeld == b.WaitWhileHeld && a.OnFailure == b.OnFailure && slices.Equal(a.DependsOn, b.DependsOn) && reflect.DeepEqual(a.Verify, b.Verify)
}

// concerned reports whether what is decided for a newer head differs from what is under
// way.
func (e *environment) concerned(a *active, now []*assess.Release) bool {
	return slices.ContainsFunc(now, func(n *assess.Release) bool {
		j := a.jobOf(n.Key)
		switch {
		case j == nil || !e.rollouts.rollsOut(n.Key):
			return n.Changes()
		case n.State.Want != j.State.Want || n.State.Listed != j.State.Listed || n.State.Paused != j.State.Paused:
			return true
		}
		return !sameWork(j.Spec, n.Spec)
	})
}
