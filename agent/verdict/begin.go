package verdict

import (
	"context"
	"slices"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/ledger"
)

// Begin enters that work has begun, and which releases it concerns, so that who asks meanwhile
// is told, and a newer commit with the same inputs leaves the work to this one. It reports
// whether that is news.
func (w *Writer) Begin(l *assess.Commit, jobs []*deploy.Job) bool {
	head := w.Ledger.Head()
	for _, j := range jobs {
		if !j.Changes() {
			continue
		}
		j.Commit = w.commitOf(j)
		if j.Commit != head.Commit.Commit || head.Verdict.Stands() {
			continue
		}
		head.Begin(j.Key.String(), j.State.Want)
	}
	if head.Verdict.Stands() || !slices.ContainsFunc(jobs, (*deploy.Job).Changes) {
		return false
	}
	head.SetVerdict(ledger.Progressing, "", w.Now())
	if l.Env != nil && l.Unread() == nil {
		w.Ledger.Follow(l.Env.Environment)
	}
	return true
}

// commitOf returns the commit to which a rollout belongs: that which asked for its inputs first
// and is not over yet, or else the head. A rollout that is resumed, or goes back after a failure,
// belongs to the commit that began it.
func (w *Writer) commitOf(j *deploy.Job) string {
	began := ""
	switch last := j.State.History.Last(); {
	case j.Decision.Act == decide.Resume:
		began = j.State.History.Pending().Commit
	case j.Decision.Act == decide.Rollback && j.Decision.Behind && last != nil:
		began = last.Commit
	default:
		return w.Ledger.Begun(j.Key.String(), j.State.Want).Commit.Commit
	}
	if entry := w.Ledger.Entry(began); entry != nil && !entry.Verdict.Final() {
		return began
	}
	return w.Ledger.Head().Commit.Commit
}

// Retry enters which releases are tried again since somebody asked for it; asked is nil if
// nobody did. A commit that had its verdict gets another one.
func (w *Writer) Retry(jobs []*deploy.Job, asked *ledger.Sync) {
	changes := false
	for _, j := range jobs {
		if asked != nil && j.State.Retry && j.Acts() {
			w.Retries.Asked[j.Key] = asked.ID
			changes = changes || j.Changes()
		}
	}
	if changes && w.Ledger.Head().Verdict.Stands() {
		w.Ledger.Retrigger(asked.By+" asked for it to be tried again", w.Now())
	}
}

// StorePins stores the versions that the commit's charts were resolved to, before anything is
// done with them: after a restart, here or elsewhere, they are the same.
func (w *Writer) StorePins(ctx context.Context, l *assess.Commit) error {
	if l.Env == nil || l.Gone || l.Unread() != nil { // there is more to resolve
		return nil
	}
	head, used := w.Ledger.Head(), l.Env.Pins.Used()
	if len(used) == 0 || slices.Equal(head.Charts, used) {
		return nil
	}
	head.Charts = used
	return w.Store(ctx)
}
