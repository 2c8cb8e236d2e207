package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/graph"
)

// conclude draws the verdicts from what became of the jobs, and has them told.
func (e *environment) conclude(ctx context.Context, a *active) error {
	again := e.draw(a, func() bool { return e.goingBack(ctx, a) })
	e.describeReleases(ctx, a.jobs)
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
	if e.ledger.Head().Verdict == ledger.Refused || len(a.Refusals) > 0 {
		return errRefused
	}
	return nil
}

// draw enters what became of the jobs and draws the verdicts from it. It returns the error
// for which to look again, if any, and asks neither git nor the cluster: goingBack does,
// where it has to be known.
func (e *environment) draw(a *active, goingBack func() bool) error {
	l, jobs := a.Commit, a.jobs
	e.collect(a)
	e.rollouts.end()
	a.stop(nil)
	again := e.settle(jobs, a.results)
	unsurveyed := again == nil && a.Trouble != nil
	if unsurveyed {
		again = a.Trouble
	}
	e.merge(jobs)
	e.recall(jobs)
	if again == nil && l.Away != nil {
		again = fmt.Errorf("%w: %w", errAway, l.Away)
	}
	if again == nil && goingBack() {
		again = rollout.ErrInterrupted // the others of an atomic environment follow at once
	}
	e.closeOlder(jobs)
	head := e.ledger.Head()
	if head.Commit.Commit == l.SHA {
		if v, why := e.judge(head, a, again, unsurveyed); v != "" {
			e.give(head, v, why)
		}
		if l.Env != nil && l.Unread() == nil { // else it may name what is another's
			e.ledger.Follow(l.Env)
		}
	}
	return again
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
		j.outcome.Namespace, j.outcome.Reason = j.Key.Namespace, e.Veil.Text(j.outcome.Reason)
		j.outcome.Undoes = undone(e.Observed.Histories.History(j.Key), j.outcome)
		entry.Merge(j.outcome)
	}
}

// closeOlder gives those older commits their verdicts whose rollouts have ended, or were
// passed over.
func (e *environment) closeOlder(jobs []*job) {
	for _, entry := range e.ledger.Open() {
		open := func(j *job) bool {
			if p := e.Observed.Histories.History(j.Key).Pending(); p != nil && p.Commit == entry.Commit.Commit && !j.passesOver() {
				if j.Decision.Act == decide.Hold {
					entry.Conclude(ledger.Held, e.Veil.Text(j.Spec.Name+": "+j.Decision.Reason), e.Now())
				}
				return true
			}
			return j.Changes() && j.commit == entry.Commit.Commit && !j.outcome.Tells() && j.Err == nil
		}
		if slices.ContainsFunc(jobs, open) {
			continue
		}
		v, why := ledger.Close(entry, e.ledger.Head())
		e.give(entry, v, why)
	}
}

// goingBack reports whether a failure has just made other releases of an atomic
// environment go back.
func (e *environment) goingBack(ctx context.Context, a *active) bool {
	if a.results == nil || a.Commit.Env == nil || !a.Commit.Env.Atomic {
		return false
	}
	releases, err := e.assessor().Releases(ctx, a.Commit)
	was := map[observed.Key]bool{}
	for _, j := range a.jobs {
		was[j.Key] = j.State.Aborted != ""
	}
	return err == nil && slices.ContainsFunc(releases, func(j *assess.Release) bool { return j.State.Aborted != "" && j.Changes() && !was[j.Key] })
}

// settle enters what became of each job, and returns the error for which to look
// again, if any. Trouble with a release that stays as it is has a time of its own to be
// tried again, and keeps no commit from its verdict.
func (e *environment) settle(jobs []*job, results map[string]graph.Result) error {
	var again error
	for _, j := range jobs {
		r, ran := results[j.Key.String()]
		if j.Err != nil {
			r, ran = graph.Result{Err: j.Err}, true
		}
		if !ran {
			if j.Waits == nil { // its time has come, and nothing may be done about it
				delete(e.retries.of, j.Key)
			}
			continue
		}
		j.blocked = append(j.blocked, assess.ReleaseNames(r.Blocked)...)
		if len(j.blocked) > 0 && j.Changes() {
			j.outcome = ledger.Outcome{Name: j.Spec.Name, Action: string(j.Decision.Act), Outcome: string(ledger.Held),
				Reason: "blocked by " + strings.Join(j.blocked, ", ")}
		}
		switch {
		case errors.Is(r.Err, rollout.ErrInterrupted):
			again = rollout.ErrInterrupted
		case !j.open(r.Err):
			e.revise(j, r.Err)
			delete(e.retries.of, j.Key)
		default:
			if j.ended.putOff() {
				e.postpone(j.Key, r.Err)
			}
			switch {
			case !j.Changes():
			case rollout.Denied(r.Err):
				j.Decision.Behind, j.Decision.Reason = true, r.Err.Error()
			case again == nil:
				again = fmt.Errorf("release %s: %w", j.Spec.Name, r.Err)
			}
		}
	}
	return again
}

// revise gives the head another entry when a release with which it failed went through
// after all, without a request: its record could be written later.
func (e *environment) revise(j *job, err error) {
	head := e.ledger.Head()
	before := head.Outcome(j.Key.Namespace, j.Key.Name)
	if err != nil || !j.Changes() || j.commit != head.Commit.Commit || !head.Verdict.Stands() || before == nil || before.Outcome != string(ledger.Failed) {
		return
	}
	e.ledger.Again("release "+j.Spec.Name+" went through when it was tried again", e.Now())
}

// judge draws the head's verdict; empty leaves it as it is. unsurveyed says that again is
// why what changes could not be surveyed.
func (e *environment) judge(head *ledger.Entry, a *active, again error, unsurveyed bool) (ledger.Verdict, string) {
	switch older := e.ledger.Open(); {
	case len(a.Refusals) > 0 && head.Verdict.Stands():
		return "", "" // what was begun is not undone by that
	case len(a.Refusals) > 0:
		return ledger.Refused, strings.Join(slices.Compact(slices.Sorted(slices.Values(a.Refusals))), "; ")
	case errors.Is(again, rollout.ErrInterrupted):
		return "", ""
	case errors.Is(again, errAway) && !head.Verdict.Stands():
		return ledger.Pending, e.retries.away.err.Error()
	case again != nil && head.Verdict.Final():
		return "", "" // what can't be done yet is no new verdict
	case unsurveyed:
		return ledger.Pending, again.Error()
	case again != nil:
		return ledger.Progressing, again.Error()
	case len(older) > 0 && !head.Verdict.Stands() && slices.ContainsFunc(a.jobs, (*job).Changes):
		return ledger.Progressing, fmt.Sprintf("what commit %.7s began is under way", older[0].Commit.Commit)
	}
	var behind []ledger.Behind
	for _, j := range a.jobs {
		if j.Decision.Behind {
			behind = append(behind, ledger.Behind{Namespace: j.Key.Namespace, Name: j.Spec.Name, Reason: j.Decision.Reason})
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
		if j.State.Taker != "" && j.Decision.Reason != "" {
			out = append(out, j.Spec.Name+": "+j.Decision.Reason)
		}
	}
	return strings.Join(out, "; ")
}
