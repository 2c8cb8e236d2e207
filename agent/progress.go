package agent

import (
	"context"
	"slices"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
)

// progressing puts into the ledger that work has begun, and stores it.
func (e *environment) progressing(ctx context.Context, l *assess.Commit, jobs []*job) {
	if !e.begin(l, jobs) {
		return
	}
	if err := e.store(ctx); err != nil {
		// Not worth stopping a rollout for: the verdict is stored later, or fails.
		e.log.Warn("the ledger can't be written", "error", err)
	}
}

// begin enters that work has begun, and which releases it concerns, so that who asks
// meanwhile is told, and a newer commit with the same inputs leaves the work to this one. It
// reports whether that is news.
func (e *environment) begin(l *assess.Commit, jobs []*job) bool {
	head := e.ledger.Head()
	for _, j := range jobs {
		if !j.Changes() {
			continue
		}
		j.commit = e.commitOf(j)
		if j.commit != head.Commit.Commit || head.Verdict.Stands() {
			continue
		}
		head.Begin(j.Key.String(), j.State.Want)
	}
	if head.Verdict.Stands() || !slices.ContainsFunc(jobs, (*job).Changes) {
		return false
	}
	head.Conclude(ledger.Progressing, "", e.Now())
	if l.Env != nil && l.Unread() == nil {
		e.ledger.Follow(l.Env)
	}
	return true
}

// commitOf returns the commit to which a rollout belongs: that which asked for its inputs
// first and is not over yet, or else the head. What goes on, and what goes back after a
// failure, belongs to the commit that began it.
func (e *environment) commitOf(j *job) string {
	began := ""
	switch last := j.State.History.Last(); {
	case j.Decision.Act == decide.Resume:
		began = j.State.History.Pending().Commit
	case j.Decision.Act == decide.Rollback && j.Decision.Behind && last != nil:
		began = last.Commit
	default:
		return e.ledger.Begun(j.Key.String(), j.State.Want).Commit.Commit
	}
	if entry := e.ledger.Entry(began); entry != nil && !entry.Verdict.Final() {
		return began
	}
	return e.ledger.Head().Commit.Commit
}

// tryAgain takes note of what is tried again since somebody asked for it. A commit that
// had its verdict then gets another one.
func (e *environment) tryAgain(jobs []*job) {
	asked, any := e.inbox.controlNow().Sync, false
	for _, j := range jobs {
		if asked != nil && j.State.Retry && j.Acts() {
			e.retries.asked[j.Key] = asked.ID
			any = any || j.Changes()
		}
	}
	if any && e.ledger.Head().Verdict.Stands() {
		e.ledger.Again(asked.By+" asked for it to be tried again", e.Now())
	}
}
