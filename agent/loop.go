package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/retry"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/agent/verdict"
)

// run makes a pass whenever something asks for it, until ctx ends.
func (e *environment) run(ctx context.Context) {
	e.forget()
	e.inbox.DropHead()
	e.agent.fetchNow()
	if err := e.Cluster.WatchDocument(ctx, ledger.ControlDocument(e.Environment, e.agent.opts.Namespace), e.controlChanged); err != nil {
		e.log.Error("what people ask for can't be watched", "error", err)
	}
	defer e.rollouts.Wait()
	if n := e.agent.notifier(e.Environment, e.Cluster, e.log); n != nil {
		e.verdicts.Stored.Listen(n.Ledger)
		var notifying sync.WaitGroup
		notifying.Go(func() { n.Run(ctx) })
		defer notifying.Wait()
	}
	defer promoting(ctx, e)()
	var backoff retry.Backoff
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	scan := newScan(e)
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.inbox.Wake():
		case <-timer.C:
		}
		scan.run(e)
		began := e.Now()
		next := e.untilRetry(ctx, e.pass(ctx), &backoff)
		blind := e.Cluster.Unwatchable()
		e.verdicts.Unwatchable(ctx, blind)
		e.agent.metrics.Unwatchable(e.Environment, len(blind))
		timer.Reset(min(next, e.until(scan.next), e.untilChange(began)))
	}
}

// untilRetry logs how a pass ended, and returns how long until the next one that nobody asks
// for.
func (e *environment) untilRetry(ctx context.Context, err error, backoff *retry.Backoff) time.Duration {
	retries := e.verdicts.Retries
	switch {
	case err == nil:
		backoff.Reset()
		e.agent.metrics.Passed(e.Environment, nil)
		return retries.Next(e.Now())
	case ctx.Err() != nil:
		return time.Hour
	case errors.Is(err, rollout.ErrInterrupted):
		return 0
	case errors.Is(err, verdict.ErrRefused):
		return min(max(retries.Refusal.Until.Sub(e.Now()), 0), retries.Next(e.Now()))
	}
	e.agent.metrics.Passed(e.Environment, err)
	switch {
	case errors.Is(err, verdict.ErrAway):
		return min(max(retries.Away.Until.Sub(e.Now()), 0), retries.Next(e.Now()))
	case retries.Any():
		return retries.Next(e.Now())
	}
	next := backoff.Next()
	e.log.Warn("will try again", "error", err, "in", retry.Rounded(next))
	return next
}

// untilChange returns how long until a pause ends, a deploy window opens or closes, or there is
// progress to store. What changed since the last pass began is due now: the pass may have decided
// by what was before.
func (e *environment) untilChange(began time.Time) time.Duration {
	now := e.Now()
	if d := e.rollouts.Current(); d != nil {
		if due := e.releases.ProgressDue(d, &e.rollouts); !due.IsZero() {
			return e.until(earlier(due, declineDue(e.verdicts.Ledger, now)))
		}
	}
	next := earlier(e.inbox.Control().NextEnd(began), declineDue(e.verdicts.Ledger, now))
	if busy := e.verdicts.Retries.BusyUntil; busy.After(began) {
		next = earlier(next, busy)
	}
	if l := e.desired.Commit; l != nil && l.Env != nil {
		_, change := decide.Closed(l.Env.Windows, began)
		next = earlier(next, change)
	}
	return e.until(next)
}

// until returns how long until a moment; an hour if there is none.
func (e *environment) until(at time.Time) time.Duration {
	if at.IsZero() {
		return time.Hour
	}
	return max(at.Sub(e.Now()), 0)
}

// declineDue is when a decline of health is to be reported; zero if none is.
func declineDue(l *ledger.Ledger, now time.Time) time.Time {
	if l == nil {
		return time.Time{}
	}
	return l.NextDeclineDue(now)
}

// earlier is the earlier of two moments, of which each may be none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
