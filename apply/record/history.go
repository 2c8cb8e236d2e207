package record

import (
	"slices"

	"helm.sh/helm/v3/pkg/release"
)

// History is the records of one release, oldest first.
type History []*Record

// Last returns the newest record, or nil.
func (h History) Last() *Record {
	if len(h) == 0 {
		return nil
	}
	return h[len(h)-1]
}

// Next returns the revision that a new record gets.
func (h History) Next() int {
	if last := h.Last(); last != nil {
		return last.Revision + 1
	}
	return 1
}

// Current returns the newest record that Helm calls deployed: what the cluster
// is held to. It is nil before the first good rollout, and after an uninstall.
func (h History) Current() *Record {
	for _, r := range slices.Backward(h) {
		if r.Status == release.StatusDeployed {
			return r
		}
		if r.Status == release.StatusUninstalled {
			return nil
		}
	}
	return nil
}

// Pending returns the newest record when its rollout is not known to have
// ended: the agent, or helm, was interrupted in the middle of it.
func (h History) Pending() *Record {
	if last := h.Last(); last != nil && last.Status.IsPending() {
		return last
	}
	return nil
}

// GoodWith returns the newest good record of a digest, or nil. Records from
// before an uninstall don't count: their objects are gone.
func (h History) GoodWith(digest string) *Record {
	for _, r := range slices.Backward(h) {
		if r.Status == release.StatusUninstalled {
			return nil
		}
		if r.Digest == digest && r.Outcome == Good {
			return r
		}
	}
	return nil
}

// GoodWithout returns the newest good record that was not made for a commit, or
// nil: what that commit found.
func (h History) GoodWithout(commit string) *Record {
	for _, r := range slices.Backward(h) {
		if r.Status == release.StatusUninstalled {
			return nil
		}
		if r.Outcome == Good && r.Commit != commit {
			return r
		}
	}
	return nil
}

// FailedWith returns the newest record of a digest when its rollout failed: the
// digest is then quarantined. It returns nil when the digest never failed, or
// became good later, or the release was uninstalled since.
func (h History) FailedWith(digest string) *Record {
	for _, r := range slices.Backward(h) {
		if r.Status == release.StatusUninstalled {
			return nil
		}
		if r.Digest != digest || r.Outcome == Abandoned || r.Outcome == Stuck {
			continue
		}
		if r.Outcome == Failed {
			return r
		}
		return nil
	}
	return nil
}

// Intended returns the records whose objects may be in the cluster: the current
// one and all that were begun since, and before the first good one all there are.
// Their union is the release's inventory.
func (h History) Intended() History {
	for i, r := range slices.Backward(h) {
		switch r.Status {
		case release.StatusDeployed:
			return h[i:]
		case release.StatusUninstalled:
			return h[i+1:]
		}
	}
	return h
}

// Surplus returns the oldest records beyond keep, never the current one nor
// what was begun after it.
func (h History) Surplus(keep int) History {
	n := len(h) - keep
	if n <= 0 {
		return nil
	}
	begun := len(h) - len(h.Intended())
	return h[:min(n, begun)]
}
