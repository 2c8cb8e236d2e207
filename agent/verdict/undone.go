package verdict

import (
	"slices"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/record"
)

// maxUndone bounds how many commits a rollback is said to take back.
const maxUndone = 20

// undone returns the commits whose content an outcome took back, newest first: those
// that a release had, or failed to get, since the content that it went back to.
func undone(h record.History, o ledger.Outcome) []string {
	last := h.Last()
	back := o.Outcome == string(ledger.RolledBack) || o.Action == string(record.Rollback) && o.Outcome == string(ledger.Applied)
	if !back || last == nil || last.Action != record.Rollback || last.Outcome != record.Good {
		return nil
	}
	var out []string
	for _, r := range slices.Backward(h) {
		switch {
		case r.Revision >= last.Revision || r.Damage != "":
			continue
		case r.Digest == last.Digest && r.Outcome == record.Good:
			return out
		case r.Commit == "" || r.Action == record.Rollback || slices.Contains(out, r.Commit) || len(out) == maxUndone:
			continue
		}
		if r.Outcome == record.Good || r.Outcome == record.Failed {
			out = append(out, r.Commit)
		}
	}
	return out
}
