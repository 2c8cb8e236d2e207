package agent

import (
	"context"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/apply/record"
)

// observe looks how a release does now, and takes it down if that is another than its
// rollout came to: the reporter tells it once it has lasted. It changes no verdict.
func (e *environment) observe(key releaseKey, h *held) (bool, string) {
	how, why := ledger.ConditionOf(e.cluster.Health(h.lasting))
	why = e.bulletin.veil.text(why)
	r := e.ledger.Release(key.namespace, key.name)
	history, now := e.histories.history(key), e.agent.opts.Now()
	last := history.Last()
	if r == nil || last == nil || history.Pending() != nil {
		return how == ledger.Well, why // its rollout comes to a verdict, which says it
	}
	if declines(r, last) {
		d := r.Decline
		next, turned := d.Next(how, now, e.agent.opts.UnhealthyAfter)
		if r.Decline = next; turned && next != nil {
			e.bulletin.turns = append(e.bulletin.turns, report.Turn{Namespace: key.namespace, Release: key.name, Since: next.Since, Reason: why})
		} else if turned {
			e.bulletin.turns = append(e.bulletin.turns, report.Turn{Namespace: key.namespace, Release: key.name, Since: d.Since, Recovered: d.Mended})
		}
	} else {
		r.Decline = nil
	}
	r.Seen, r.Healthy = last.Revision, how == ledger.Well
	return r.Healthy, why
}

// declines reports whether a release that is not healthy is news: it was, since its last
// rollout ended. A rollout that failed was told by its verdict.
func declines(r *ledger.Release, last *record.Record) bool {
	switch {
	case last.Outcome != record.Failed, r.Healthy && r.Seen == last.Revision:
		return true
	}
	d := r.Decline
	return d != nil && (d.Told || d.Since.After(last.Updated()) && r.Seen == last.Revision)
}

// tellTurns puts what observe took down into the ledger, to be told.
func (e *environment) tellTurns() (told bool) {
	told = len(e.bulletin.turns) > 0
	e.reporter.Health(e.ledger, e.bulletin.turns)
	e.bulletin.turns = nil
	return told
}

// mind looks how those releases do that nothing is being done about, while a commit is
// carried out, which may take long.
func (e *environment) mind(ctx context.Context, a *active) error {
	news := false
	for _, j := range a.jobs {
		h, r := e.baselines.heldOf(j.key), e.ledger.Release(j.key.namespace, j.key.name)
		if h == nil || r == nil || a.acts[j.key] && !j.over.Load() {
			continue
		}
		was := r.Healthy
		ok, why := e.observe(j.key, h)
		if r.Healthy = ok; !ok {
			r.Reason = ledger.Shorten(why)
		} else if !was {
			r.Reason = ""
		}
		e.agent.metrics.Health(e.name, r.Name, r.Healthy, r.Unhealthy())
		news = news || was != r.Healthy
	}
	if e.tellTurns() || news {
		return e.publishVerdicts(ctx)
	}
	return nil
}

// sooner is the earlier of two moments, of which each may be none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// nextTelling is when a decline is to be told; zero if none is.
func (e *environment) nextTelling(now time.Time) time.Time {
	if e.ledger == nil {
		return time.Time{}
	}
	return e.ledger.NextTelling(now)
}
