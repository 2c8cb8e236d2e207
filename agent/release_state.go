package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// describeReleases enters what each release is like now, into the ledger and
// the metrics.
func (e *environment) describeReleases(ctx context.Context, jobs []*job) {
	states := make([]ledger.Release, 0, len(jobs))
	for _, j := range jobs {
		gone := len(j.State.History.Intended()) == 0 && !j.State.Runs
		if j.Prepared == nil && gone || j.State.Taker != "" {
			continue // what may be there still is not forgotten, also by who starts anew
		}
		states = append(states, e.describeRelease(ctx, j))
	}
	e.ledger.Releases = states
}

// describeRelease returns what a release is like now, and has the metrics show it.
func (e *environment) describeRelease(ctx context.Context, j *job) ledger.Release {
	current, runs := j.State.History.Current(), j.State.History.Runs()
	var drifted []ledger.Drift
	s := ledger.Release{Name: j.Key.Name, Namespace: j.Key.Namespace, Healthy: current != nil && current == runs, BlockedBy: j.blocked, DependsOn: j.Spec.DependsOn}
	if j.Prepared == nil { // environment.yaml does not list it, or can't be read
		s.DependsOn = j.Former
	}
	if h := e.Observed.Baselines.HeldOf(j.Key); h != nil {
		drifted = slices.Concat(h.Drift, h.Foreign)
		s.Drift, s.MoreDrift = ledger.Bound(drifted)
		s.Healthy, s.Reason = e.observe(j.Key, h)
	}
	if before := e.ledger.Release(j.Key.Namespace, j.Key.Name); before != nil {
		s.Decline, s.Seen = before.Decline, before.Seen
	}
	if j.Decision.Behind || len(j.blocked) > 0 || current == nil {
		s.Behind = e.behindSince(j)
		s.Reason = cmp.Or(s.Reason, j.Decision.Reason, j.outcome.Reason)
	}
	if j.Err != nil {
		s.Healthy, s.Reason = false, j.Err.Error()
	}
	s.Reason = ledger.Shorten(e.Veil.Text(s.Reason))
	tellLeaving(&s, e.stillLeaving(ctx, j))
	e.show(j, s, drifted)
	return s
}

func (e *environment) show(j *job, s ledger.Release, drifted []ledger.Drift) {
	objects := map[string]bool{}
	foreign := 0
	for _, d := range drifted {
		if d.Foreign {
			foreign++
		} else {
			objects[d.Object] = true
		}
	}
	r := report.Release{Name: j.Key.Name, Healthy: s.Healthy, Paused: j.State.Paused != "", Behind: s.Behind, Unhealthy: s.Unhealthy(), Drifted: len(objects), Foreign: foreign}
	if c := j.State.History.Runs(); c != nil {
		r.ChartVersion, r.AppVersion, r.Revision, r.Status = c.ChartVersion(), c.AppVersion(), c.Revision, string(c.Status)
	}
	e.agent.metrics.Show(e.Environment, r)
}

// behindSince returns since when a release is not what git asks for: since the ledger
// says so, which survives a restart, or since the oldest commit came that asked for
// something else and is not live.
func (e *environment) behindSince(j *job) time.Time {
	if r := e.ledger.Release(j.Key.Namespace, j.Key.Name); r != nil && !r.Behind.IsZero() {
		return r.Behind
	}
	since := e.ledger.Head().Started
	if entry := e.ledger.Entry(j.commit); entry != nil {
		since = entry.Started
	}
	return since
}

// stand has the metrics tell that a release is behind as soon as its rollout begins: a
// rollout may take long, and the ledger's releases are described when it has ended.
func (e *environment) stand(jobs []*job) {
	for _, j := range jobs {
		if !j.Changes() {
			continue
		}
		r := e.ledger.Release(j.Key.Namespace, j.Key.Name)
		if r == nil {
			e.ledger.Releases = append(e.ledger.Releases, ledger.Release{Name: j.Key.Name, Namespace: j.Key.Namespace, DependsOn: j.Spec.DependsOn})
			r = e.ledger.Release(j.Key.Namespace, j.Key.Name)
		}
		r.Behind = e.behindSince(j)
		e.show(j, *r, r.Drift)
	}
}

// observe looks how a release does now, and takes it down if that is another than its
// rollout came to: the reporter tells it once it has lasted. It changes no verdict.
func (e *environment) observe(key observed.Key, h *observed.Held) (bool, string) {
	how, why := ledger.ConditionOf(e.Cluster.Health(h.Lasting))
	why = e.Veil.Text(why)
	r := e.ledger.Release(key.Namespace, key.Name)
	history, now := e.Observed.Histories.History(key), e.Now()
	last := history.Last()
	if r == nil || last == nil || history.Pending() != nil {
		return how == ledger.Well, why // its rollout comes to a verdict, which says it
	}
	if declines(r, last) {
		d := r.Decline
		next, turned := d.Next(how, now, e.agent.opts.UnhealthyAfter)
		if r.Decline = next; turned && next != nil {
			e.bulletin.turns = append(e.bulletin.turns, report.Turn{Namespace: key.Namespace, Release: key.Name, Since: next.Since, Reason: why})
		} else if turned {
			e.bulletin.turns = append(e.bulletin.turns, report.Turn{Namespace: key.Namespace, Release: key.Name, Since: d.Since, Recovered: d.Mended})
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

// stillLeaving returns what rollouts of a release deleted and is not gone yet: what its
// last rollout left, and what the ledger tells of those before.
func (e *environment) stillLeaving(ctx context.Context, j *job) []apply.Health {
	ids := slices.Clone(j.left)
	for _, o := range j.Leaving {
		ids = append(ids, manifest.ID(o))
	}
	if len(ids) == 0 {
		return nil
	}
	wanted := map[manifest.ID]bool{}
	if h := e.Observed.Baselines.HeldOf(j.Key); h != nil {
		for _, id := range h.IDs {
			wanted[id] = true // it came back
		}
	}
	ids = slices.DeleteFunc(ids, func(id manifest.ID) bool {
		again := wanted[id]
		wanted[id] = true // each once
		return again
	})
	left, err := e.Cluster.Leaving(ctx, ids)
	if err != nil {
		e.log.Warn("whether all of a former version is gone can't be told", "release", j.Key.Name, "error", err)
		for _, id := range ids {
			left = append(left, apply.Health{ID: id, State: apply.Progressing, Reason: "whether it is gone can't be told"})
		}
	}
	return left
}

// tellLeaving enters into what is told of a release what of it is on its way out.
func tellLeaving(s *ledger.Release, left []apply.Health) {
	for _, h := range left[:min(len(left), ledger.MostLeaving)] {
		s.Leaving = append(s.Leaving, ledger.Object(h.ID))
	}
	if len(left) > 0 && s.Reason == "" {
		s.Reason = fmt.Sprintf("not all of a former version is gone: %s: %s", left[0].ID, left[0].Reason)
		if more := len(left) - 1; more > 0 {
			s.Reason += fmt.Sprintf(", and %d more", more)
		}
	}
}
