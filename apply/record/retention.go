package record

import "slices"

// Expendable returns the records beyond keep that may be deleted without loss, oldest first.
// The current one stays, and so do those that were begun after it, except attempts that ended
// and were repeated since: a rollback that fails again and again leaves one record.
func Expendable(h History, keep int) History {
	begun := h.begun()
	var out History
	for i, r := range h {
		if len(h)-len(out) <= keep {
			break
		}
		if i < begun || triedAgain(h, i) {
			out = append(out, r)
		}
	}
	return out
}

// ExpendableAttempts returns, of a history of more than keep records, those of rollouts that
// were begun after the current one and have ended, oldest first, except the newest and the
// running one. Their objects may still be in the cluster: delete such a record only if other
// records list them too.
func ExpendableAttempts(h History, keep int) History {
	var out History
	if len(h) <= keep {
		return nil
	}
	runs, last := h.Running(), h.Last()
	for _, r := range h[h.begun():] {
		ended := r.Ours() && r.Damage == "" && (r.Outcome == Failed || r.Outcome == Abandoned)
		if ended && r != runs && r != last {
			out = append(out, r)
		}
	}
	return out
}

// triedAgain reports whether a record is of a rollout that was given up, or of a way back
// that failed, and a later one was of the same inputs. How often a rollout itself failed is
// told by its records.
func triedAgain(h History, i int) bool {
	r := h[i]
	if !r.Ours() || r.Outcome != Abandoned && (r.Outcome != Failed || r.Action != Rollback) {
		return false
	}
	return slices.ContainsFunc(h[i+1:], func(later *Record) bool {
		return later.Damage == "" && later.Digest == r.Digest && (later.Outcome == Failed || r.Outcome == Abandoned) // a failure is remembered
	})
}
