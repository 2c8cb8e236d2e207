package verdict

import (
	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/record"
)

// recoverOutcomes enters what the records tell of commits that have no verdict yet. A process
// that ended after it concluded a record, and before it stored the ledger, left the outcome of
// that rollout in the record alone.
func (w *Writer) recoverOutcomes(jobs []*deploy.Job) {
	for _, entry := range append(w.Ledger.Open(), w.Ledger.Head()) {
		for _, j := range jobs {
			want, begun := entry.Wants[j.Key.String()]
			if known := entry.Outcome(j.Key.Namespace, j.Key.Name); !begun || known != nil && known.EndsDeploy() {
				continue
			}
			o := recordedOutcome(w.Observed.Histories.History(j.Key), entry.Commit.Commit, want)
			if o == nil || o.Revision <= w.Ledger.ReportedRevision(entry, j.Key.Namespace, j.Key.Name) {
				continue
			}
			o.Name, o.Namespace = j.Key.Name, j.Key.Namespace
			o.Undoes = undone(w.Observed.Histories.History(j.Key), *o)
			entry.Merge(*o)
		}
	}
}

// recordedOutcome returns what a release's records tell of what a commit asked for: an input
// digest, as an entry keeps it, or the release's removal if that is empty. It returns nil
// if there was no such rollout, or it has not ended.
func recordedOutcome(h record.History, commit, want string) *ledger.Outcome {
	if want == "" {
		return uninstalled(h.Last())
	}
	r := h.For(commit)
	if r == nil {
		return nil
	}
	o := &ledger.Outcome{Action: string(r.Action), Revision: r.Revision}
	switch {
	case r.Outcome == record.Failed:
		o.Outcome, o.Reason = string(ledger.Failed), r.Description()
	case r.Outcome != record.Good:
		return nil
	case ledger.ShortDigest(r.Digest) == want:
		o.Outcome = string(ledger.Applied)
	default:
		o.Outcome, o.Reason = string(ledger.RolledBack), rollout.RolledBack(h.FailedFor(commit), r.Revision)
	}
	return o
}

func uninstalled(last *record.Record) *ledger.Outcome {
	if last == nil {
		return nil
	}
	o := &ledger.Outcome{Action: string(decide.Uninstall), Revision: last.Revision}
	switch {
	case last.Status == release.StatusUninstalled:
		o.Outcome = string(ledger.Applied)
	case last.Outcome == record.Stuck:
		o.Outcome, o.Reason = string(ledger.Failed), last.Description()
	default:
		return nil
	}
	return o
}
