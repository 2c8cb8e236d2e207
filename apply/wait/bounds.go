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
	// Deadline is when it ends. It is looked at once more then, and what is healthy
	// is good: so is a wait that begins after its deadline.
	Deadline time.Time
	// Timeout is the duration that the deadline was computed from, for messages.
	Timeout time.Duration
	// Graces are how long pods may be in trouble.
	Graces manifest.Graces
	// SaveHold, if it is there, has the deadline wait while all that is not healthy is
	// held, and keeps over restarts what the deadline is, and since when it waits; the
	// latter is zero while it does not.
	SaveHold func(ctx context.Context, deadline, since time.Time) error
	// HeldSince is since when the deadline waits; zero while it does not.
	HeldSince time.Time
}

// Within returns the bounds of what begins now.
func Within(timeout time.Duration, now time.Time) Bounds {
	return Bounds{Deadline: now.Add(timeout), Timeout: timeout}
}

// Left returns how long is left, and never less than nothing.
func (b Bounds) Left(now time.Time) time.Duration {
	if !b.HeldSince.IsZero() {
		now = b.HeldSince
	}
	return max(b.Deadline.Sub(now), 0)
}

// End returns the deadline as it is if nothing is held from now on.
func (b Bounds) End(now time.Time) time.Time { return now.Add(b.Left(now)) }

// Over reports whether the deadline has come.
func (b Bounds) Over(now time.Time) bool { return b.Left(now) == 0 }

// holding has the deadline wait, or go on, by what is not healthy, and reports whether
// that is news. What is found to be held after the deadline, because nobody looked
// before, has the whole time once it goes on.
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

// deadline is the bounds of one wait while it goes on.
type deadline struct {
	Bounds
	unkept bool // that the deadline waits, or goes on, could not be kept
}

// retryPause is the time until a request that failed is sent again.
const retryPause = 2 * time.Second

// hold has the deadline wait while all that is open is held, and keeps that.
func (d *deadline) hold(ctx context.Context, open []judge.Health, now time.Time) {
	if !d.holding(open, now) && !d.unkept {
		return
	}
	d.unkept = d.SaveHold(ctx, d.Deadline, d.HeldSince) != nil
}

// most is how long a wait that looked at some time may sleep.
func (d *deadline) most(next time.Duration, looked time.Time) time.Duration {
	if d.unkept {
		next = min(next, retryPause)
	}
	if !d.HeldSince.IsZero() {
		return next
	}
	return min(next, d.Left(looked))
}
