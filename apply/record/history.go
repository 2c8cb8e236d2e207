package record

import (
	"errors"
	"iter"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/release"
)

// History is the records of one release, oldest first. Records that are damaged, or were
// deleted since they were read, count only for the next revision number.
type History []*Record

// readable goes through the records that count, newest first.
func (h History) readable() iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		for _, r := range slices.Backward(h) {
			if r.Damage == "" && !yield(r) {
				return
			}
		}
	}
}

// sinceUninstall goes through the records since the last uninstall, newest first: the objects
// of those before it are gone.
func (h History) sinceUninstall() iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		for r := range h.readable() {
			if r.Status == release.StatusUninstalled || !yield(r) {
				return
			}
		}
	}
}

func (h History) first(matches func(*Record) bool) *Record {
	for r := range h.sinceUninstall() {
		if matches(r) {
			return r
		}
	}
	return nil
}

// Last returns the newest record, or nil.
func (h History) Last() *Record {
	for r := range h.readable() {
		return r
	}
	return nil
}

// Damaged returns the existing records that can't be trusted, oldest first; the Damage of each
// says why.
func (h History) Damaged() []*Record {
	var out []*Record
	for _, r := range h {
		if r.Damage != "" && !r.gone {
			out = append(out, r)
		}
	}
	return out
}

// Next returns the revision that a new record gets.
func (h History) Next() int {
	next := 1
	for _, r := range h {
		next = max(next, r.Revision+1)
	}
	return next
}

// Current returns the newest record with Helm's status deployed: the state in which the cluster
// is kept. It is nil before the first good rollout, and after an uninstall.
func (h History) Current() *Record {
	return h.first(func(r *Record) bool { return r.Status == release.StatusDeployed })
}

// Running returns the record of the last rollout that ended and applied objects: the current
// one, or one that failed since and was not rolled back. It is nil before the first rollout,
// and after an uninstall.
func (h History) Running() *Record {
	return h.first(func(r *Record) bool { return r.Status == release.StatusDeployed || r.live() })
}

// live reports whether a rollout of ours failed and left what it applied.
func (r *Record) live() bool { return r.Ours() && r.Outcome == Failed && !r.Untouched }

// Settled returns the record that describes the cluster completely: the running one, or nil if
// another rollout was begun since, or abandoned halfway.
func (h History) Settled() *Record {
	runs := h.Running()
	for r := range h.sinceUninstall() {
		if r == runs {
			return runs
		}
		if !r.Untouched {
			return nil
		}
	}
	return nil
}

// IsInstalled reports whether a rollout of the release succeeded and it was not uninstalled
// since. There may be no Current, if its record is gone or damaged. An upgrade record of ours
// shows it too, because there was something to upgrade.
func (h History) IsInstalled() bool {
	return h.first(func(r *Record) bool {
		return r.Status == release.StatusDeployed || r.Status == release.StatusSuperseded || r.Ours() && r.Action == Upgrade
	}) != nil
}

// Foreign returns the newest record if somebody else wrote it after a good one of ours, with
// helm upgrade or helm rollback.
func (h History) Foreign() *Record {
	last := h.Last()
	if last == nil || last.Ours() || h.Own() == nil {
		return nil
	}
	return last
}

// Own returns the newest good record of ours: the state before somebody else deployed the
// release.
func (h History) Own() *Record {
	return h.first(func(r *Record) bool { return r.Ours() && r.Outcome == Good })
}

// StaleDeployed returns the records with status deployed other than the current one. Only one
// should have it.
func (h History) StaleDeployed() []*Record {
	current := h.Current()
	var out []*Record
	for r := range h.readable() {
		if r != current && r.Status == release.StatusDeployed {
			out = append(out, r)
		}
	}
	return out
}

// Pending returns the newest record if its rollout is not known to have ended: the agent, or
// helm, was interrupted.
func (h History) Pending() *Record {
	if last := h.Last(); last != nil && last.Status.IsPending() {
		return last
	}
	return nil
}

// GoodWith returns the newest good record of a digest, or nil. Records from
// before an uninstall don't count: their objects are gone.
func (h History) GoodWith(digest string) *Record {
	return h.first(func(r *Record) bool { return r.Digest == digest && r.Outcome == Good })
}

// First returns the revision in which a digest first succeeded, 0 if it never did. It defines
// which inputs are older, however often they ran again since. Each record keeps it as a label,
// because the first records are deleted in time.
func (h History) First(digest string) int {
	first := 0
	for r := range h.sinceUninstall() {
		if r.Digest == digest && r.Outcome == Good {
			first = r.Revision
			if r.FirstRevision > 0 && r.FirstRevision < first {
				first = r.FirstRevision
			}
		}
	}
	return first
}

// Content returns the commit whose content a record deployed: its own commit, except for a
// rollback after that commit failed.
func (h History) Content(r *Record) string {
	failed := slices.ContainsFunc(h, func(f *Record) bool { return f.Outcome == Failed && f.Commit == r.Commit && f.Revision < r.Revision })
	if r.Action != Rollback || !failed {
		return r.Commit
	}
	for _, before := range slices.Backward(h) {
		if before.Revision < r.Revision && before.Digest == r.Digest && before.Outcome == Good && before.Commit != r.Commit {
			return before.Commit
		}
	}
	return r.Commit
}

// GoodWithout returns the newest good record that was not made for a commit, or nil: the state
// before that commit.
func (h History) GoodWithout(commit string) *Record {
	return h.first(func(r *Record) bool { return r.Outcome == Good && r.Commit != commit })
}

// FailedWith returns the newest record of a digest when its rollout failed: the
// digest is then quarantined. It returns nil when the digest never failed, or
// became good later, or the release was uninstalled since.
func (h History) FailedWith(digest string) *Record {
	r := h.first(func(r *Record) bool { return r.Digest == digest && r.Outcome != Abandoned && r.Outcome != Stuck })
	if r == nil || r.Outcome != Failed {
		return nil
	}
	return r
}

// For returns the newest record that was made for a commit, or nil.
func (h History) For(commit string) *Record {
	return h.first(func(r *Record) bool { return r.Commit == commit && r.Outcome != Abandoned })
}

// FailedFor returns the newest record of a commit whose rollout failed, or nil.
func (h History) FailedFor(commit string) *Record {
	return h.first(func(r *Record) bool { return r.Commit == commit && r.Outcome == Failed })
}

// FirstDeployed returns when the release was deployed for the first time since it was
// last uninstalled, as Helm keeps it from one revision to the next; now if it never was.
func (h History) FirstDeployed(now time.Time) time.Time {
	first := now
	for r := range h.sinceUninstall() {
		if t := r.describe().first; !t.IsZero() {
			return t
		}
		if r.created.Before(first) && !r.created.IsZero() {
			first = r.created
		}
	}
	return first
}

// Intended returns the records whose objects may be in the cluster: the current one and all
// that were begun since; without a good one, all records. The union of their objects is the
// release's inventory.
func (h History) Intended() History {
	return slices.DeleteFunc(slices.Clone(h[h.begun():]), func(r *Record) bool { return r.Damage != "" })
}

// begun is where the records begin whose objects may be in the cluster. What somebody else
// recorded as deployed may say anything: it does not hide what the agent deployed before.
func (h History) begun() int {
	foreign := -1
	for i, r := range slices.Backward(h) {
		switch {
		case r.Damage != "":
		case r.Status == release.StatusUninstalled:
			return max(i+1, foreign)
		case r.Ours() && (r.Status == release.StatusDeployed || foreign >= 0 && r.Outcome == Good):
			return i
		case r.Status == release.StatusDeployed && foreign < 0:
			foreign = i
		}
	}
	return max(foreign, 0)
}

// Without returns the history without a record.
func (h History) Without(r *Record) History {
	return slices.DeleteFunc(slices.Clone(h), func(o *Record) bool { return o == r })
}

// SetAside returns the history with the record that err names marked as gone or damaged; it
// returns the same history if err is another error, or the record was written again since. The
// records of the given history are not changed.
func SetAside(h History, err error) History {
	var u *unreadableError
	if !errors.As(err, &u) {
		return h
	}
	for i, r := range h {
		if r.Revision == u.record.Revision && r.version == u.record.version && r.Damage == "" {
			out := slices.Clone(h)
			out[i] = u.record
			return out
		}
	}
	return h
}

// Copy returns a history with copies of the records, which a store may change.
func Copy(h History) History {
	out := make(History, len(h))
	for i, r := range h {
		one := *r
		out[i] = &one
	}
	return out
}
