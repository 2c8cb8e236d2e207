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
			o, tried := recordedOutcome(w.Observed.Histories.History(j.Key), entry.Commit.Commit, want)
			if o == nil || tried <= w.Ledger.ReportedRevision(entry, j.Key.Namespace, j.Key.Name) {
				continue
			}
			o.Name, o.Namespace = j.Key.Name, j.Key.Namespace
			o.Undoes = undone(w.Observed.Histories.History(j.Key), *o)
			entry.Merge(*o)
		}
	}
}

// recordedOutcome returns what a release's records tell of what a commit asked for: an input
// digest, as an entry keeps it, or the release's removal if that is empty. tried is the
// revision by which that was tried: a rollback that followed has a later one, and an outcome
// that was entered by who saw the failure has the earlier. It returns nil if there was no
// such rollout, or it has not ended.
func recordedOutcome(h record.History, commit, want string) (o *ledger.Outcome, tried int) {
	if want == "" {
		return uninstalled(h.Last())
	}
	r := h.For(commit)
	if r == nil {
		return nil, 0
	}
	o = &ledger.Outcome{Action: string(r.Action), Revision: r.Revision}
	tried = r.Revision
	switch {
	case r.Outcome == record.Failed:
		o.Outcome, o.Reason = string(ledger.Failed), r.Description()
	case r.Outcome != record.Good:
		return nil, 0
	case ledger.ShortDigest(r.Digest) == want:
		o.Outcome = string(ledger.Applied)
	default:
		failed := h.FailedFor(commit)
		o.Outcome, o.Reason = string(ledger.RolledBack), rollout.RolledBack(failed, r.Revision)
		if failed != nil {
			tried = failed.Revision
		}
	}
	return o, tried
}

func uninstalled(last *record.Record) (o *ledger.Outcome, tried int) {
	if last == nil {
		return nil, 0
	}
	o = &ledger.Outcome{Action: string(decide.Uninstall), Revision: last.Revision}
	switch {
	case last.Status == release.StatusUninstalled:
		o.Outcome = string(ledger.Applied)
	case last.Outcome == record.Stuck:
		o.Outcome, o.Reason = string(ledger.Failed), last.Description()
	default:
		return nil, 0
	}
	return o, last.Revision
}
