package verdict

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/graph"
)

// RecordOutcomes writes the outcomes of a deploy to the ledger, and sets the verdicts that
// follow from them. It returns the error for which to reconcile again, if any. It asks neither
// git nor the cluster: goingBack does, where it has to be known whether a failure has just made
// other releases of an atomic environment go back.
func (w *Writer) RecordOutcomes(d *deploy.Deploy, goingBack func() bool) error {
	l, jobs := d.Commit, d.Jobs
	again := w.recordJobs(jobs, d.Results)
	unsurveyed := again == nil && d.Trouble != nil
	if unsurveyed {
		again = d.Trouble
	}
	w.Merge(jobs)
	w.recoverOutcomes(jobs)
	if again == nil && l.Away != nil {
		again = fmt.Errorf("%w: %w", ErrAway, l.Away)
	}
	if again == nil && goingBack() {
		again = rollout.ErrInterrupted // the others of an atomic environment follow at once
	}
	w.closeOlder(jobs)
	head := w.Ledger.Head()
	if head.Commit.Commit == l.SHA {
		if v, why := w.judge(head, d, again, unsurveyed); v != "" {
			w.SetVerdict(head, v, why)
		}
		if l.Env != nil && l.Unread() == nil { // else it may name what is another's
			w.Ledger.Follow(l.Env.Environment)
		}
	}
	return again
}

// Merge enters the outcome of each release under the commit that it belongs to.
func (w *Writer) Merge(jobs []*deploy.Job) {
	for _, j := range jobs {
		if j.Outcome.Name == "" {
			continue
		}
		entry := w.Ledger.Entry(j.Commit)
		if entry == nil {
			entry = w.Ledger.Head()
		}
		j.Outcome.Namespace, j.Outcome.Reason = j.Key.Namespace, w.Veil.Text(j.Outcome.Reason)
		j.Outcome.Undoes = undone(w.Observed.Histories.History(j.Key), j.Outcome)
		entry.Merge(j.Outcome)
	}
}

// closeOlder gives those older commits their verdicts whose rollouts have ended, or were passed
// over.
func (w *Writer) closeOlder(jobs []*deploy.Job) {
	for _, entry := range w.Ledger.Open() {
		open := func(j *deploy.Job) bool {
			if p := w.Observed.Histories.History(j.Key).Pending(); p != nil && p.Commit == entry.Commit.Commit && !j.AbandonsPending() {
				if j.Decision.Act == decide.Hold {
					entry.SetVerdict(ledger.Held, w.Veil.Text(j.Spec.Name+": "+j.Decision.Reason), w.Now())
				}
				return true
			}
			return j.Changes() && j.Commit == entry.Commit.Commit && !j.Outcome.EndsDeploy() && j.Err == nil
		}
		if slices.ContainsFunc(jobs, open) {
			continue
		}
		v, why := ledger.JudgeOlder(entry, w.Ledger.Head())
		w.SetVerdict(entry, v, why)
	}
}

// recordJobs enters what became of each job, and returns the error for which to reconcile again, if
// any. An error about a release that stays as it is has a time of its own to be tried again, and
// keeps no commit from its verdict.
func (w *Writer) recordJobs(jobs []*deploy.Job, results map[string]graph.Result) error {
	var again error
	for _, j := range jobs {
		r, ran := results[j.Key.String()]
		if j.Err != nil {
			r, ran = graph.Result{Err: j.Err}, true
		}
		if !ran {
			if j.Waits == nil { // its time has come, and nothing may be done about it
				w.Retries.Done(j.Key)
			}
			continue
		}
		j.Blocked = append(j.Blocked, assess.ReleaseNames(r.Blocked)...)
		if len(j.Blocked) > 0 && j.Changes() {
			j.Outcome = ledger.Outcome{Name: j.Spec.Name, Action: string(j.Decision.Act), Outcome: string(ledger.Held),
				Reason: "blocked by " + strings.Join(j.Blocked, ", ")}
		}
		switch {
		case errors.Is(r.Err, rollout.ErrInterrupted):
			again = rollout.ErrInterrupted
		case !j.Open(r.Err):
			w.revise(j, r.Err)
			w.Retries.Done(j.Key)
		default:
			if j.End.Postpone() {
				w.Postpone(j.Key, r.Err)
			}
			switch {
			case !j.Changes():
			case rollout.RecordsDenied(r.Err):
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
func (w *Writer) revise(j *deploy.Job, err error) {
	head := w.Ledger.Head()
	before := head.Outcome(j.Key.Namespace, j.Key.Name)
	if err != nil || !j.Changes() || j.Commit != head.Commit.Commit || !head.Verdict.Stands() || before == nil || before.Outcome != string(ledger.Failed) {
		return
	}
	w.Ledger.Retrigger("release "+j.Spec.Name+" went through when it was tried again", w.Now())
}

// judge draws the head's verdict; empty leaves it as it is. unsurveyed says that again is
// why what changes could not be surveyed.
func (w *Writer) judge(head *ledger.Entry, d *deploy.Deploy, again error, unsurveyed bool) (ledger.Verdict, string) {
	switch older := w.Ledger.Open(); {
	case len(d.Refusals) > 0 && head.Verdict.Stands():
		return "", "" // what was begun is not undone by that
	case len(d.Refusals) > 0:
		return ledger.Refused, strings.Join(slices.Compact(slices.Sorted(slices.Values(d.Refusals))), "; ")
	case errors.Is(again, rollout.ErrInterrupted):
		return "", ""
	case errors.Is(again, ErrAway) && !head.Verdict.Stands():
		return ledger.Pending, w.Retries.Away.Err.Error()
	case again != nil && head.Verdict.Final():
		return "", "" // what can't be done yet is no new verdict
	case unsurveyed:
		return ledger.Pending, again.Error()
	case again != nil:
		return ledger.Progressing, again.Error()
	case len(older) > 0 && !head.Verdict.Stands() && slices.ContainsFunc(d.Jobs, (*deploy.Job).Changes):
		return ledger.Progressing, fmt.Sprintf("what commit %.7s began is under way", older[0].Commit.Commit)
	}
	var behind []ledger.Behind
	for _, j := range d.Jobs {
		if j.Decision.Behind {
			behind = append(behind, ledger.Behind{Namespace: j.Key.Namespace, Name: j.Spec.Name, Reason: j.Decision.Reason})
		}
	}
	v, why := ledger.Judge(head, behind)
	if given := takenOver(d.Jobs); v == ledger.NoOp && given != "" {
		why = given
	}
	return v, why
}

// takenOver says which releases other environments take over; empty if none does.
func takenOver(jobs []*deploy.Job) string {
	var out []string
	for _, j := range jobs {
		if j.State.Taker != "" && j.Decision.Reason != "" {
			out = append(out, j.Spec.Name+": "+j.Decision.Reason)
		}
	}
	return strings.Join(out, "; ")
}
