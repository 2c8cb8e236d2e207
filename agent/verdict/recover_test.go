package verdict

import (
	"slices"
	"testing"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/record"
)

func TestWhatRecordsTellOfACommit(t *testing.T) {
	rec := func(revision int, commit, digest string, action record.Action, outcome record.Outcome, status release.Status) *record.Record {
		return &record.Record{Name: "web", Revision: revision, Commit: commit, Digest: digest, Action: action, Outcome: outcome, Status: status}
	}
	before := rec(1, "old", "a", record.Install, record.Good, release.StatusSuperseded)
	for sentence, c := range map[string]struct {
		history record.History
		want    string // the digest that commit "new" asks for
		outcome string
	}{
		"nothing was begun":                        {record.History{before}, "b", ""},
		"a rollout that is under way is no news":   {record.History{before, rec(2, "new", "b", record.Upgrade, record.Pending, release.StatusPendingUpgrade)}, "b", ""},
		"a rollout that was given up is no news":   {record.History{before, rec(2, "new", "b", record.Upgrade, record.Abandoned, release.StatusFailed)}, "b", ""},
		"a good rollout was applied":               {record.History{before, rec(2, "new", "b", record.Upgrade, record.Good, release.StatusDeployed)}, "b", "upgrade 2 applied"},
		"it was, also if a newer commit followed":  {record.History{rec(2, "new", "b", record.Upgrade, record.Good, release.StatusSuperseded), rec(3, "newer", "c", record.Upgrade, record.Good, release.StatusDeployed)}, "b", "upgrade 2 applied"},
		"a failed rollout has failed":              {record.History{before, rec(2, "new", "b", record.Upgrade, record.Failed, release.StatusFailed)}, "b", "upgrade 2 failed"},
		"what went back after it is rolled back":   {record.History{rec(2, "new", "b", record.Upgrade, record.Failed, release.StatusFailed), rec(3, "new", "a", record.Rollback, record.Good, release.StatusDeployed)}, "b", "rollback 3 rolled-back"},
		"a revert is applied, not rolled back":     {record.History{before, rec(2, "new", "b", record.Rollback, record.Good, release.StatusDeployed)}, "b", "rollback 2 applied"},
		"a release that is gone was uninstalled":   {record.History{rec(1, "old", "a", record.Install, record.Good, release.StatusUninstalled)}, "", "uninstall 1 applied"},
		"one that can't be removed has failed":     {record.History{rec(1, "old", "a", record.Install, record.Stuck, release.StatusUninstalling)}, "", "uninstall 1 failed"},
		"one that is being removed is no news":     {record.History{rec(1, "old", "a", record.Install, record.Good, release.StatusUninstalling)}, "", ""},
		"one whose records are deleted is no news": {nil, "", ""},
	} {
		got := ""
		if o, _ := recordedOutcome(c.history, "new", c.want); o != nil {
			got = o.Action + " " + string(rune('0'+o.Revision)) + " " + o.Outcome
		}
		if got != c.outcome {
			t.Errorf("%s: %q, not %q", sentence, got, c.outcome)
		}
	}
}

// A commit that was tried again, and whose second try was given up, is not told by what became
// of the first: whoever saw a failure entered it with the revision that failed, and a process
// that finds the records sees the one that went back.
func TestASecondTryIsNotToldByTheFirst(t *testing.T) {
	key := observed.Key{Namespace: "prod", Name: "web"}
	rec := func(revision int, commit, digest string, action record.Action, outcome record.Outcome, status release.Status) *record.Record {
		return &record.Record{Name: "web", Revision: revision, Commit: commit, Digest: digest, Action: action, Outcome: outcome, Status: status}
	}
	first := record.History{rec(12, "old", "a", record.Upgrade, record.Good, release.StatusSuperseded), rec(13, "new", "b", record.Upgrade, record.Failed, release.StatusFailed),
		rec(14, "new", "a", record.Rollback, record.Good, release.StatusDeployed)}
	for sentence, c := range map[string]struct {
		reported int // the revision that the first entry tells of
		second   record.History
		outcome  string
	}{
		"one that was given up, the first entered by its failure":  {13, record.History{rec(15, "new", "b", record.Upgrade, record.Abandoned, release.StatusFailed)}, ""},
		"one that was given up, the first entered by its rollback": {14, record.History{rec(15, "new", "b", record.Upgrade, record.Abandoned, release.StatusFailed)}, ""},
		"one that failed":      {13, record.History{rec(15, "new", "b", record.Upgrade, record.Failed, release.StatusFailed), rec(16, "new", "a", record.Rollback, record.Good, release.StatusDeployed)}, "rolled-back"},
		"one that was applied": {13, record.History{rec(15, "new", "b", record.Upgrade, record.Good, release.StatusDeployed)}, "applied"},
	} {
		w := &Writer{Site: &assess.Site{Observed: &observed.State{}}}
		w.Observed.Forget()
		w.Observed.Histories.Set(key, append(slices.Clone(first), c.second...))
		entry := ledger.Entry{Commit: ledger.Commit{Commit: "new"}, Verdict: ledger.RolledBack,
			Releases: []ledger.Outcome{{Namespace: "prod", Name: "web", Revision: c.reported, Outcome: string(ledger.RolledBack)}}}
		again := ledger.Entry{Commit: ledger.Commit{Commit: "new"}, Verdict: ledger.Progressing, Trigger: "ann asked for it", Wants: map[string]string{key.String(): "b"}}
		w.Ledger = &ledger.Ledger{Entries: []ledger.Entry{entry, again, {Commit: ledger.Commit{Commit: "newer"}, Verdict: ledger.Pending}}}
		w.recoverOutcomes([]*deploy.Job{{Release: &assess.Release{Key: key}}})
		got := ""
		if o := w.Ledger.Entries[1].Outcome("prod", "web"); o != nil {
			got = o.Outcome
		}
		if got != c.outcome {
			t.Errorf("%s: %q, not %q", sentence, got, c.outcome)
		}
	}
}
