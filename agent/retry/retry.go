// Package retry keeps the times at which something is tried again after an error that is not a
// verdict.
//
// It does not know what is tried, and does not wait by itself.
package retry

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/xetys/tether/agent/observed"
)

// Backoff returns how long to wait before another try: one second at first, twice as long each
// time, and a minute at most, give or take a fifth. It is not safe for concurrent use.
type Backoff struct{ last time.Duration }

// Next returns how long to wait now.
func (b *Backoff) Next() time.Duration {
	b.last = min(max(2*b.last, time.Second), time.Minute)
	return time.Duration(float64(b.last) * (0.8 + 0.4*rand.Float64()))
}

// Reset begins again with the shortest time.
func (b *Backoff) Reset() { b.last = 0 }

// Retry is when one thing is tried again, and why it has to be.
type Retry struct {
	Backoff
	Until time.Time // it is not tried before
	Err   error     // how the last try ended
}

// Pending reports whether the time to try again is still to come.
func (r *Retry) Pending(now time.Time) bool { return r != nil && now.Before(r.Until) }

// waitingError is the error for which a release waits until it is tried again.
type waitingError struct{ error }

// Unwrap returns how the last try ended.
func (w *waitingError) Unwrap() error { return w.error }

// Retries are what an environment tries again, and when. They are not safe for concurrent use:
// the loop alone has them.
type Retries struct {
	Refusal   Refusal                 // what the head was refused for
	Away      Retry                   // what the head needs from elsewhere, and could not be had
	Asked     map[observed.Key]string // the request for which a release was tried again
	BusyUntil time.Time               // until when a rollout that somebody else began is left to them

	releases map[observed.Key]*Retry
}

// New returns Retries of nothing.
func New() *Retries {
	return &Retries{releases: map[observed.Key]*Retry{}, Asked: map[observed.Key]string{}}
}

// Waits returns the error for which a release waits; nil if it does not.
func (r *Retries) Waits(key observed.Key, now time.Time) error {
	if one := r.releases[key]; one.Pending(now) {
		return &waitingError{one.Err}
	}
	return nil
}

// Any reports whether a release is to be tried again.
func (r *Retries) Any() bool { return len(r.releases) > 0 }

// Clear lets every release be tried at once.
func (r *Retries) Clear() { r.releases = map[observed.Key]*Retry{} }

// Done ends the retries of a release.
func (r *Retries) Done(key observed.Key) { delete(r.releases, key) }

// Postpone has a release tried again later, and returns how much later: the longer the more
// often it was. The error of a release that waits already changes nothing; then it returns 0.
func (r *Retries) Postpone(key observed.Key, err error, now time.Time) time.Duration {
	var waiting *waitingError
	if errors.As(err, &waiting) {
		return 0
	}
	one := r.releases[key]
	if one == nil {
		one = &Retry{}
		r.releases[key] = one
	}
	in := one.Next()
	one.Err, one.Until = err, now.Add(in)
	return in
}

// Next returns how long until the first release is tried again; an hour if none is.
func (r *Retries) Next(now time.Time) time.Duration {
	next := time.Hour
	for _, one := range r.releases {
		next = min(next, max(one.Until.Sub(now), 0))
	}
	return next
}

// Busy has the environment reconciled when the first of the rollouts that somebody else began
// should have ended. A zero time changes nothing.
func (r *Retries) Busy(until, now time.Time) {
	if until.IsZero() {
		return
	}
	if !r.BusyUntil.After(now) || until.Before(r.BusyUntil) {
		r.BusyUntil = until
	}
}

// Refusal is what a commit was refused for, so that events in the cluster don't have the whole
// commit dry-run again and again.
type Refusal struct {
	Retry
	asked string // the commit, and the request of a person, if there was one
	texts []string
}

// Known returns what the commit was refused for, until it is worth another try: the API server
// may accept it once a CRD is installed or a quota is raised.
func (r *Refusal) Known(asked string, now time.Time) []string {
	if r.asked == asked && r.Pending(now) {
		return r.texts
	}
	return nil
}

// Note keeps what a commit was refused for; no texts say that it was accepted.
func (r *Refusal) Note(asked string, texts []string, now time.Time) {
	if r.asked != asked || len(texts) == 0 {
		*r = Refusal{asked: asked}
	}
	if len(texts) > 0 && !r.Pending(now) {
		r.texts, r.Until = texts, now.Add(r.Next())
	}
}

// Rounded returns a short duration for people.
func Rounded(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
