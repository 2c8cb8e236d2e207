package ledger

import (
	"time"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
)

// Decline is a time in which a release is not healthy after its rollout. It gives no
// commit another verdict. It stands in the ledger, so that another process goes on with
// it, and tells nothing again.
type Decline struct {
	Since time.Time `json:"since"`
	// Notified says that it was told.
	Notified bool `json:"told,omitempty"`
	// Mended is since when the release is healthy again; zero if it is not.
	Mended time.Time `json:"mended,omitzero"`
	// Due is when its beginning or its end is told if nothing changes until then; zero if
	// that was done.
	Due time.Time `json:"due,omitzero"`
}

// Condition is how a release does as a whole.
type Condition int

// The conditions. Unsure says that nobody can see it.
const (
	ConditionUnknown Condition = iota
	ConditionHealthy
	ConditionProgressing // something is in progress
	ConditionUnhealthy   // something is wrong
)

// ConditionOf is how a release does by its objects, and the object that says so: one that
// is wrong before one that is in progress.
func ConditionOf(all []judge.Health) (how Condition, why string) {
	how = ConditionHealthy
	for _, h := range all {
		one := ConditionUnhealthy
		switch h.State {
		case health.Healthy:
			continue
		case health.Progressing:
			one = ConditionProgressing
		case health.Unknown:
			one = ConditionUnknown
		}
		if how == ConditionHealthy || one == ConditionUnhealthy && how != ConditionUnhealthy {
			how, why = one, h.ID.String()+": "+h.Reason
		}
	}
	return how, why
}

// slower is how many times longer than what is wrong something may be in progress before
// it is told: that an autoscaler adds a pod, or a node goes, is no news.
const slower = 4

// Next returns the decline of a release, nil if there is none, as it is when the release
// is found in a condition. What is told has lasted for as long as after says: what comes
// and goes is told once when it comes, and once when it stays away. turned says that it is
// to be told now.
func (d *Decline) Next(how Condition, now time.Time, after time.Duration) (next *Decline, turned bool) {
	switch {
	case how == ConditionUnknown || d == nil && how == ConditionHealthy:
		return d, false
	case d == nil:
		d = &Decline{Since: now.UTC()}
	}
	out := *d
	if how == ConditionHealthy {
		if out.Mended.IsZero() {
			out.Mended = now.UTC()
		}
		if out.Due = out.Mended.Add(after); now.Before(out.Due) {
			return &out, false
		}
		return nil, out.Notified
	}
	out.Mended, out.Due = time.Time{}, time.Time{}
	if out.Notified {
		return &out, false
	}
	if how == ConditionProgressing {
		after *= slower
	}
	if due := out.Since.Add(after); now.Before(due) {
		out.Due = due
		return &out, false
	}
	out.Notified = true
	return &out, true
}
