package agent

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render"
)

// heed reads a head that came while a commit is carried out, and stops that only if the
// new head concerns it: if it asks for something else of a release that is under way, or
// changes another one. A commit elsewhere in the repository interrupts nothing.
func (e *environment) heed(ctx context.Context, a *active) error {
	head := e.inbox.headNow()
	seen := head.SHA + " " + reason(head.Untrusted)
	if head.SHA == a.load.commit && reason(head.Untrusted) == a.load.untrusted || a.heeded == seen || a.waits.Err() != nil {
		return nil
	}
	if err := e.enter(ctx, head.Commit); err != nil {
		return err
	}
	reading, done := e.inbox.reading(ctx, head)
	defer done(nil)
	l, err := e.load(reading, head)
	if err != nil {
		if err = superseded(reading, err); errors.Is(err, errInterrupted) {
			e.inbox.trigger() // for the newer one
			return nil
		}
		return err
	}
	jobs, err := e.jobs(ctx, l)
	if err != nil {
		return err
	}
	if l.unread() == nil && concerned(a, jobs) {
		a.stop(errSuperseded)
		return nil
	}
	a.heeded = seen
	entry := e.ledger.Head()
	switch {
	case l.err != nil:
		e.give(entry, ledger.Refused, l.err.Error())
	case l.away != nil:
		entry.Conclude(ledger.Pending, e.bulletin.veil.text(l.away.Error()), e.agent.opts.Now())
	default:
		entry.Conclude(ledger.Progressing, e.rollouts.soFar(entry), e.agent.opts.Now())
	}
	return e.publishVerdicts(ctx)
}

// undertaking is what a rollout was begun for. The loop compares newer heads with it
// while the rollout's own goroutine works on the job.
type undertaking struct {
	spec   render.ReleaseSpec
	want   string
	listed bool
	paused string
	over   *atomic.Bool
	// entered says that the ledger has what became of it; the loop's.
	entered bool
}

func undertakings(jobs []*job) map[releaseKey]*undertaking {
	out := map[releaseKey]*undertaking{}
	for _, j := range jobs {
		if j.changes() {
			out[j.key] = &undertaking{spec: j.spec, want: j.state.Want, listed: j.state.Listed, paused: j.state.Paused, over: &j.over}
		}
	}
	return out
}

// concerned reports whether what is decided for a newer head differs from what is under
// way.
func concerned(a *active, now []*job) bool {
	return slices.ContainsFunc(now, func(n *job) bool {
		u, ok := a.under[n.key]
		switch {
		case !ok || u.over.Load():
			return n.changes()
		case n.state.Want != u.want || n.state.Listed != u.listed || n.state.Paused != u.paused:
			return true
		}
		return !sameWork(u.spec, n.spec)
	})
}

// sameWork reports whether a rollout is done in the same way.
func sameWork(a, b render.ReleaseSpec) bool {
	return a.Timeout == b.Timeout && a.WaitWhileHeld == b.WaitWhileHeld && a.OnFailure == b.OnFailure && slices.Equal(a.DependsOn, b.DependsOn) && reflect.DeepEqual(a.Verify, b.Verify)
}
