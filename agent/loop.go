package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
)

// run looks whenever something asks for it, until ctx ends.
func (e *environment) run(ctx context.Context) {
	e.forget()
	e.inbox.mistrustHead()
	e.agent.fetchNow()
	if err := e.Cluster.WatchDocument(ctx, ledger.ControlDocument(e.Environment, e.agent.opts.Namespace), e.instructed); err != nil {
		e.log.Error("what people ask for can't be watched", "error", err)
	}
	defer e.rollouts.settled()
	if n := e.agent.notifier(e.Environment, e.Cluster, e.log); n != nil {
		e.stored.hear(n.Ledger)
		var telling sync.WaitGroup
		telling.Go(func() { n.Run(ctx) })
		defer telling.Wait()
	}
	var retry backoff
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	scan := e.newScan()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.inbox.wake:
		case <-timer.C:
		}
		e.rescan(scan)
		next := e.looked(ctx, e.look(ctx), &retry)
		e.sight(ctx)
		timer.Reset(min(next, e.until(scan.next), e.untilChange()))
	}
}

// looked logs how a look ended and says when to look again by itself.
func (e *environment) looked(ctx context.Context, err error, retry *backoff) time.Duration {
	switch {
	case err == nil:
		retry.reset()
		e.agent.metrics.Looked(e.Environment, nil)
		return e.retries.until(e.Now())
	case ctx.Err() != nil:
		return time.Hour
	case errors.Is(err, rollout.ErrInterrupted):
		return 0
	case errors.Is(err, errRefused):
		return min(max(e.retries.refusal.until.Sub(e.Now()), 0), e.retries.until(e.Now()))
	case errors.Is(err, errAway):
		e.agent.metrics.Looked(e.Environment, err)
		return min(max(e.retries.away.until.Sub(e.Now()), 0), e.retries.until(e.Now()))
	case len(e.retries.of) > 0:
		e.agent.metrics.Looked(e.Environment, err)
		return e.retries.until(e.Now())
	default:
		e.agent.metrics.Looked(e.Environment, err)
		next := retry.next()
		e.log.Warn("will try again", "error", err, "in", timeOf(next))
		return next
	}
}

// untilChange returns how long until a pause ends, a deploy window opens or closes,
// or there is progress to tell.
func (e *environment) untilChange() time.Duration {
	now := e.Now()
	if a := e.rollouts.underWay(); a != nil {
		if head := e.ledger.Head(); len(a.justEnded()) > 0 || head.Verdict == ledger.Progressing && e.rollouts.soFar(head) != head.Reason {
			return e.until(sooner(e.rollouts.published.Add(publishEvery), nextTelling(e.ledger, now)))
		}
	}
	next := sooner(e.inbox.controlNow().NextEnd(now), nextTelling(e.ledger, now))
	if e.retries.busyUntil.After(now) {
		next = sooner(next, e.retries.busyUntil)
	}
	if l := e.desired.loaded; l != nil && l.Env != nil {
		_, change := decide.Closed(l.Env.Windows, now)
		next = sooner(next, change)
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

// nextTelling is when a decline is to be told; zero if none is.
func nextTelling(l *ledger.Ledger, now time.Time) time.Time {
	if l == nil {
		return time.Time{}
	}
	return l.NextTelling(now)
}

// sooner is the earlier of two moments, of which each may be none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// publishEvery is how often the ledger says what a rollout waits for.
const publishEvery = 3 * time.Second
