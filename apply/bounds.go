package apply

import (
	"context"
	"slices"
	"time"

	"github.com/xetys/tether/render/manifest"
)

// Bounds are what ends a wait by itself.
type Bounds struct {
	// Deadline is when it ends. It is looked at once more then, and what is healthy
	// is good: so is a wait that begins after its deadline.
	Deadline time.Time
	// Timeout is what the deadline came of, and what people are told.
	Timeout time.Duration
	// Graces are how long pods may be in trouble.
	Graces manifest.Graces
	// KeepHold, if it is there, has the deadline wait while all that is not healthy is
	// held, and keeps over restarts what the deadline is, and since when it waits; the
	// latter is zero while it does not.
	KeepHold func(ctx context.Context, deadline, since time.Time) error
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

// over reports whether the deadline has come.
func (b Bounds) over(now time.Time) bool { return b.Left(now) == 0 }

// holding has the deadline wait, or go on, by what is not healthy, and reports whether
// that is news. What is found to be held after the deadline, because nobody looked
// before, has the whole time once it goes on.
func (b *Bounds) holding(open []Health, now time.Time) bool {
	held := b.KeepHold != nil && len(open) > 0 && !slices.ContainsFunc(open, func(h Health) bool { return !h.Held })
	if held == !b.HeldSince.IsZero() {
		return false
	}
	if !held {
		b.Deadline, b.HeldSince = b.Deadline.Add(now.Sub(b.HeldSince)), time.Time{}
		return true
	}
	if b.over(now) {
		b.Deadline = now.Add(b.Timeout)
	}
	b.HeldSince = now
	return true
}

// hold has the deadline wait while all that is open is held, and keeps that.
func (w *waiter) hold(ctx context.Context, open []Health, now time.Time) {
	if !w.bounds.holding(open, now) && !w.unkept {
		return
	}
	w.unkept = w.bounds.KeepHold(ctx, w.bounds.Deadline, w.bounds.HeldSince) != nil
}

// most is how long a wait may sleep.
func (w *waiter) most(next time.Duration) time.Duration {
	if w.unkept {
		next = min(next, retryPause)
	}
	if !w.bounds.HeldSince.IsZero() {
		return next
	}
	return min(next, w.bounds.Left(w.looked))
}
