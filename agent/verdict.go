package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/graph"
)

// progressing puts into the ledger that work has begun, and which releases it concerns,
// so that who asks meanwhile is told, and a newer commit with the same inputs leaves the
// work to this one.
func (e *environment) progressing(ctx context.Context, l *loaded, jobs []*job) {
	head := e.ledger.Head()
	for _, j := range jobs {
		if !j.changes() {
			continue
		}
		j.commit = e.commitOf(j)
		if j.commit != head.Commit.Commit || head.Verdict.Stands() {
			continue
		}
		head.Begin(j.key.String(), j.state.Want)
	}
	if head.Verdict.Stands() || !slices.ContainsFunc(jobs, (*job).changes) {
		return
	}
	head.Conclude(ledger.Progressing, "", e.agent.opts.Now())
	if l.env != nil && l.unread() == nil {
		e.ledger.Follow(l.env)
	}
	if err := e.store(ctx); err != nil {
		// Not worth stopping a rollout for: the verdict is stored later, or fails.
		e.log.Warn("the ledger can't be written", "error", err)
	}
}

// commitOf returns the commit to which a rollout belongs: that which asked for its inputs
// first and is not over yet, or else the head. What goes on, and what goes back after a
// failure, belongs to the commit that began it.
func (e *environment) commitOf(j *job) string {
	began := ""
	switch last := j.state.History.Last(); {
	case j.decision.Act == decide.Resume:
		began = j.state.History.Pending().Commit
	case j.decision.Act == decide.Rollback && j.decision.Behind && last != nil:
		began = last.Commit
	default:
		return e.ledger.Begun(j.key.String(), j.state.Want).Commit.Commit
	}
	if entry := e.ledger.Entry(began); entry != nil && !entry.Verdict.Final() {
		return began
	}
	return e.ledger.Head().Commit.Commit
}

// conclude draws the verdicts from what became of the jobs, and has them told.
func (e *environment) conclude(ctx context.Context, a *active) error {
	l, jobs := a.load, a.jobs
	e.rollouts.end()
	a.stop(nil)
	again := e.settle(jobs, a.results)
	unsurveyed := again == nil && a.trouble != nil
	if unsurveyed {
		again = a.trouble
	}
	e.merge(jobs)
	e.recall(jobs)
	if again == nil && l.away != nil {
		again = fmt.Errorf("%w: %w", errAway, l.away)
	}
	if again == nil && e.goingBack(ctx, a) {
		again = errInterrupted // the others of an atomic environment follow at once
	}
	e.closeOlder(jobs)
	head := e.ledger.Head()
	if head.Commit.Commit == l.commit {
		if v, why := e.judge(head, a, again, unsurveyed); v != "" {
			e.give(head, v, why)
		}
		if l.env != nil && l.unread() == nil { // else it may name what is another's
			e.ledger.Follow(l.env)
		}
	}
	e.describeReleases(ctx, jobs)
	e.tellTurns()
	e.tell(ctx)
	if err := e.publishVerdicts(ctx); err != nil {
		return err
	}
	if a.results != nil && !a.idle {
		e.inbox.trigger() // after acting, look again
	}
	if again != nil {
		return again
	}
	if head.Verdict == ledger.Refused || len(a.refusals) > 0 {
		return errRefused
	}
	return nil
}

// publishVerdicts stores the ledger, and has what it says is untold told.
func (e *environment) publishVerdicts(ctx context.Context) error {
	e.agent.metrics.Delivered(e.name, e.ledger.Entries)
	if err := e.store(ctx); err != nil {
		return err
	}
	if e.reporter.Deliver(ctx, e.ledger) {
		return e.store(ctx)
	}
	return nil
}

// give gives an entry a verdict, and has it told if it is another than before.
func (e *environment) give(entry *ledger.Entry, v ledger.Verdict, why string) {
	before, reason, now := entry.Verdict, entry.Reason, e.agent.opts.Now()
	entry.Conclude(v, e.bulletin.veil.text(why), now)
	if entry.Verdict.Live() {
		c := entry.Commit
		e.ledger.Applied = &c
	}
	if entry.Verdict != before || entry.Reason != reason {
		e.reporter.Verdict(e.ledger, entry, now)
	}
}

// merge enters what became of each release under the commit that it belongs to.
func (e *environment) merge(jobs []*job) {
	for _, j := range jobs {
		if j.outcome.Name == "" {
			continue
		}
		entry := e.ledger.Entry(j.commit)
		if entry == nil {
			entry = e.ledger.Head()
		}
		j.outcome.Namespace, j.outcome.Reason = j.key.namespace, e.bulletin.veil.text(j.outcome.Reason)
		j.outcome.Undoes = undone(e.histories.history(j.key), j.outcome)
		entry.Merge(j.outcome)
	}
}

// closeOlder gives those older commits their verdicts whose rollouts have ended, or were
// passed over.
func (e *environment) closeOlder(jobs []*job) {
	for _, entry := range e.ledger.Open() {
		open := func(j *job) bool {
			if p := e.histories.history(j.key).Pending(); p != nil && p.Commit == entry.Commit.Commit && !j.passesOver() {
				if j.decision.Act == decide.Hold {
					entry.Conclude(ledger.Held, e.bulletin.veil.text(j.spec.Name+": "+j.decision.Reason), e.agent.opts.Now())
				}
				return true
			}
			return j.changes() && j.commit == entry.Commit.Commit && !j.outcome.Tells() && j.err == nil
		}
		if slices.ContainsFunc(jobs, open) {
			continue
		}
		v, why := ledger.Close(entry, e.ledger.Head())
		e.give(entry, v, why)
	}
}

// passesOver reports whether the job gives up what is pending for something else.
func (j *job) passesOver() bool {
	return j.decision.Act == decide.Install || j.decision.Act == decide.Upgrade || j.decision.Act == decide.Rollback || j.decision.Act == decide.Uninstall
}

// goingBack reports whether a failure has just made other releases of an atomic
// environment go back.
func (e *environment) goingBack(ctx context.Context, a *active) bool {
	if a.results == nil || a.load.env == nil || !a.load.env.Atomic {
		return false
	}
	jobs, err := e.jobs(ctx, a.load)
	was := map[releaseKey]bool{}
	for _, j := range a.jobs {
		was[j.key] = j.state.Aborted != ""
	}
	return err == nil && slices.ContainsFunc(jobs, func(j *job) bool { return j.state.Aborted != "" && j.changes() && !was[j.key] })
}

// undecided says in the ledger why there is no verdict on the head yet: git or
// the cluster could not be read.
func (e *environment) undecided(ctx context.Context, err error) {
	head := e.ledger.Head()
	if head.Verdict.Final() || ctx.Err() != nil {
		return
	}
	head.Conclude(ledger.Pending, e.bulletin.veil.text(err.Error()), e.agent.opts.Now())
	if err := e.store(ctx); err != nil {
		e.log.Warn("the ledger can't be written", "error", err)
	}
}

// settle enters what became of each job, and returns the error for which to look
// again, if any. Trouble with a release that stays as it is has a time of its own to be
// tried again, and keeps no commit from its verdict.
func (e *environment) settle(jobs []*job, results map[string]graph.Result) error {
	var again error
	for _, j := range jobs {
		r, ran := results[j.key.String()]
		if j.err != nil {
			r, ran = graph.Result{Err: j.err}, true
		}
		if !ran {
			if j.waits == nil { // its time has come, and nothing may be done about it
				delete(e.retries.of, j.key)
			}
			continue
		}
		j.blocked = append(j.blocked, releaseNames(r.Blocked)...)
		if len(j.blocked) > 0 && j.changes() {
			j.outcome = ledger.Outcome{Name: j.spec.Name, Action: string(j.decision.Act), Outcome: string(ledger.Held),
				Reason: "blocked by " + strings.Join(j.blocked, ", ")}
		}
		switch {
		case errors.Is(r.Err, errInterrupted):
			again = errInterrupted
		case !j.open(r.Err):
			e.revise(j, r.Err)
			delete(e.retries.of, j.key)
		default:
			e.postpone(j.key, r.Err)
			switch {
			case !j.changes():
			case denied(r.Err):
				j.decision.Behind, j.decision.Reason = true, r.Err.Error()
			case again == nil:
				again = fmt.Errorf("release %s: %w", j.spec.Name, r.Err)
			}
		}
	}
	return again
}

// revise gives the head another entry when a release with which it failed went through
// after all, without a request: its record could be written later.
func (e *environment) revise(j *job, err error) {
	head := e.ledger.Head()
	before := head.Outcome(j.key.namespace, j.key.name)
	if err != nil || !j.changes() || j.commit != head.Commit.Commit || !head.Verdict.Stands() || before == nil || before.Outcome != string(ledger.Failed) {
		return
	}
	e.ledger.Again("release "+j.spec.Name+" went through when it was tried again", e.agent.opts.Now())
}

// open reports whether a job ended with an error that is no verdict on the
// release, so that the job is to be done again.
func (j *job) open(err error) bool {
	var unhealthy *apply.UnhealthyError
	switch {
	case err == nil:
		return false
	case denied(err):
		return true
	case j.outcome.Outcome == string(ledger.Failed), j.outcome.Outcome == string(ledger.RolledBack):
		return false
	case apierror.Transient(err):
		return true
	}
	return !errors.Is(err, errNotLive) && !errors.As(err, &unhealthy)
}

// judge draws the head's verdict; empty leaves it as it is. unsurveyed says that again is
// why what changes could not be surveyed.
func (e *environment) judge(head *ledger.Entry, a *active, again error, unsurveyed bool) (ledger.Verdict, string) {
	switch older := e.ledger.Open(); {
	case len(a.refusals) > 0 && head.Verdict.Stands():
		return "", "" // what was begun is not undone by that
	case len(a.refusals) > 0:
		slices.Sort(a.refusals)
		return ledger.Refused, strings.Join(slices.Compact(a.refusals), "; ")
	case errors.Is(again, errInterrupted):
		return "", ""
	case errors.Is(again, errAway) && !head.Verdict.Stands():
		return ledger.Pending, e.retries.away.err.Error()
	case again != nil && head.Verdict.Final():
		return "", "" // what can't be done yet is no new verdict
	case unsurveyed:
		return ledger.Pending, again.Error()
	case again != nil:
		return ledger.Progressing, again.Error()
	case len(older) > 0 && !head.Verdict.Stands() && slices.ContainsFunc(a.jobs, (*job).changes):
		return ledger.Progressing, fmt.Sprintf("what commit %.7s began is under way", older[0].Commit.Commit)
	}
	var behind []ledger.Behind
	for _, j := range a.jobs {
		if j.decision.Behind {
			behind = append(behind, ledger.Behind{Namespace: j.key.namespace, Name: j.spec.Name, Reason: j.decision.Reason})
		}
	}
	v, why := ledger.Judge(head, behind)
	if given := givenAway(a.jobs); v == ledger.NoOp && given != "" {
		why = given
	}
	return v, why
}

// givenAway says which releases other environments take over; empty if none does.
func givenAway(jobs []*job) string {
	var out []string
	for _, j := range jobs {
		if j.state.Taker != "" && j.decision.Reason != "" {
			out = append(out, j.spec.Name+": "+j.decision.Reason)
		}
	}
	return strings.Join(out, "; ")
}

// describeReleases enters what each release is like now, into the ledger and
// the metrics.
func (e *environment) describeReleases(ctx context.Context, jobs []*job) {
	states := make([]ledger.Release, 0, len(jobs))
	for _, j := range jobs {
		gone := len(j.state.History.Intended()) == 0 && !j.state.Runs
		if j.prepared == nil && gone || j.state.Taker != "" {
			continue // what may be there still is not forgotten, also by who starts anew
		}
		states = append(states, e.describeRelease(ctx, j))
	}
	e.ledger.Releases = states
}

// describeRelease returns what a release is like now, and has the metrics show it.
func (e *environment) describeRelease(ctx context.Context, j *job) ledger.Release {
	current, runs := j.state.History.Current(), j.state.History.Runs()
	var drifted []ledger.Drift
	s := ledger.Release{Name: j.key.name, Namespace: j.key.namespace, Healthy: current != nil && current == runs, BlockedBy: j.blocked, DependsOn: j.spec.DependsOn}
	if j.prepared == nil { // environment.yaml does not list it, or can't be read
		s.DependsOn = j.former
	}
	if h := e.baselines.heldOf(j.key); h != nil {
		drifted = slices.Concat(h.drift, h.foreign)
		s.Drift, s.MoreDrift = ledger.Bound(drifted)
		s.Healthy, s.Reason = e.observe(j.key, h)
	}
	if before := e.ledger.Release(j.key.namespace, j.key.name); before != nil {
		s.Decline, s.Seen = before.Decline, before.Seen
	}
	if j.decision.Behind || len(j.blocked) > 0 || current == nil {
		s.Behind = e.behindSince(j)
		s.Reason = cmp.Or(s.Reason, j.decision.Reason, j.outcome.Reason)
	}
	if j.err != nil {
		s.Healthy, s.Reason = false, j.err.Error()
	}
	s.Reason = ledger.Shorten(e.bulletin.veil.text(s.Reason))
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
	r := report.Release{Name: j.key.name, Healthy: s.Healthy, Paused: j.state.Paused != "", Behind: s.Behind, Unhealthy: s.Unhealthy(), Drifted: len(objects), Foreign: foreign}
	if c := j.state.History.Runs(); c != nil {
		r.ChartVersion, r.AppVersion, r.Revision, r.Status = c.ChartVersion(), c.AppVersion(), c.Revision, string(c.Status)
	}
	e.agent.metrics.Show(e.name, r)
}
