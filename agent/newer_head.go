package agent

import (
	"context"
	"errors"
	"reflect"
	"slices"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/inbox"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/render/config"
)

// readNewerHead reads a head that came while a deploy is under way, and stops the deploy only if
// the head concerns it: if it asks for something else of a release that is rolled out, or changes
// another one. A commit elsewhere in the repository interrupts nothing.
func (e *environment) readNewerHead(ctx context.Context, d *deploy.Deploy) error {
	head := e.inbox.Head()
	id := head.SHA + " " + inbox.Reason(head.Untrusted)
	if head.SHA == d.Commit.SHA && inbox.Reason(head.Untrusted) == d.Commit.Untrusted || d.UnaffectedBy == id || d.Waits.Err() != nil {
		return nil
	}
	if err := e.recordHead(ctx, head.Commit); err != nil {
		return err
	}
	reading, done := e.inbox.Reading(ctx, head)
	defer done(nil)
	l, err := e.desired.Load(reading, head)
	if err != nil {
		if err = superseded(reading, err); errors.Is(err, rollout.ErrInterrupted) {
			e.inbox.Trigger() // for the newer one
			return nil
		}
		return err
	}
	a := e.assessor()
	releases, err := a.Releases(ctx, l)
	e.verdicts.Retries.Busy(a.Busy, e.Now())
	if err != nil {
		return err
	}
	if l.Unread() == nil && concerns(releases, d, &e.rollouts) {
		d.Stop(rollout.ErrSuperseded)
		return nil
	}
	d.UnaffectedBy = id
	entry := e.verdicts.Ledger.Head()
	switch {
	case l.Err != nil:
		e.verdicts.SetVerdict(entry, ledger.Refused, l.Err.Error())
	case l.Away != nil:
		entry.SetVerdict(ledger.Pending, e.Veil.Text(l.Away.Error()), e.Now())
	default:
		entry.SetVerdict(ledger.Progressing, e.rollouts.Progress(entry), e.Now())
	}
	return e.verdicts.Publish(ctx)
}

// concerns reports whether the decisions about a newer head differ from what is under way.
func concerns(now []*assess.Release, d *deploy.Deploy, rollouts *deploy.Rollouts) bool {
	return slices.ContainsFunc(now, func(n *assess.Release) bool {
		j := d.JobOf(n.Key)
		switch {
		case j == nil || !rollouts.RollsOut(n.Key):
			return n.Changes()
		case n.State.Want != j.State.Want || n.State.Listed != j.State.Listed || n.State.Paused != j.State.Paused:
			return true
		}
		return !sameRollout(j.Spec, n.Spec)
	})
}

// sameRollout reports whether a release is rolled out in the same way.
func sameRollout(a, b config.ReleaseSpec) bool {
	return a.Timeout == b.Timeout && a.WaitWhileHeld == b.WaitWhileHeld && a.OnFailure == b.OnFailure && slices.Equal(a.DependsOn, b.DependsOn) && reflect.DeepEqual(a.Verify, b.Verify)
}
