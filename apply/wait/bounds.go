package wait

import (
	"context"
	"slices"
	"time"

	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/render/manifest"
)

// Bounds say when a wait ends by itself.
type Bounds struct {
	// Deadline is when it ends. The objects are judged once more then, so that a wait that
	// begins after its deadline succeeds if they are healthy.
	Deadline time.Time
	// Timeout is the duration that the deadline was computed from, for messages.
	Timeout time.Duration
	// Graces are how long pods may be in trouble.
	Graces manifest.Graces
	// SaveHold, if it is not nil, stops the clock while all objects that are not healthy are
	// held. It stores the deadline, and since when the clock is stopped (zero if it is not), so
	// that a restart knows both.
	SaveHold func(ctx context.Context, deadline, since time.Time) error
	// HeldSince is since when the clock is stopped; zero while it runs.
	HeldSince time.Time
}

// Within returns the bounds of a wait that begins now.
func Within(timeout time.Duration, now time.Time) Bounds {
	return Bounds{Deadline: now.Add(timeout), Timeout: timeout}
}

// Left returns how much time is left, at least zero.
func (b Bounds) Left(now time.Time) time.Duration {
	if !b.HeldSince.IsZero() {
		now = b.HeldSince
	}
	return max(b.Deadline.Sub(now), 0)
}

// End returns when the deadline is if the clock runs from now on.
func (b Bounds) End(now time.Time) time.Time { return now.Add(b.Left(now)) }

// Over reports whether the deadline has come.
func (b Bounds) Over(now time.Time) bool { return b.Left(now) == 0 }

// holding stops the clock, or lets it run again, by the objects that are not healthy, and
// reports whether that has changed. If they are found to be held only after the deadline,
// because nobody looked before, the whole time-out is left once the clock runs again.
func (b *Bounds) holding(open []judge.Health, now time.Time) bool {
	held := b.SaveHold != nil && len(open) > 0 && !slices.ContainsFunc(open, func(h judge.Health) bool { return !h.Held })
	if held == !b.HeldSince.IsZero() {
		return false
	}
	if !held {
		b.Deadline, b.HeldSince = b.Deadline.Add(now.Sub(b.HeldSince)), time.Time{}
		return true
	}
	if b.Over(now) {
		b.Deadline = now.Add(b.Timeout)
	}
	b.HeldSince = now
	return true
}

// deadline is the bounds of one wait during that wait.
type deadline struct {
	Bounds
	unkept bool // that the deadline waits, or goes on, could not be kept
}

// retryPause is the time until a request that failed is sent again.
const retryPause = 2 * time.Second

// hold stops the clock while all open objects are held, and stores that.
func (d *deadline) hold(ctx context.Context, open []judge.Health, now time.Time) {
	if !d.holding(open, now) && !d.unkept {
		return
	}
	d.unkept = d.SaveHold(ctx, d.Deadline, d.HeldSince) != nil
}

// most returns how long a wait may sleep after it judged its objects at a time.
func (d *deadline) most(next time.Duration, looked time.Time) time.Duration {
	if d.unkept {
		next = min(next, retryPause)
	}
	if !d.HeldSince.IsZero() {
		return next
	}
	return min(next, d.Left(looked))
}
