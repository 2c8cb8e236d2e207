package agent

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/xetys/tether/agent/observed"
)

// backoff is the time to wait before another try: doubled each time from one
// second up to a minute, give or take a fifth.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, time.Second), time.Minute)
	return time.Duration(float64(b.last) * (0.8 + 0.4*rand.Float64()))
}

func (b *backoff) reset() { b.last = 0 }

// retry is when something is tried again after trouble that is no verdict on it.
type retry struct {
	backoff
	until time.Time
	err   error
}

func (r *retry) pending(now time.Time) bool { return r != nil && now.Before(r.until) }

// waitingError is the trouble for which a release waits until it is tried again.
type waitingError struct{ error }

// Unwrap returns the trouble.
func (w *waitingError) Unwrap() error { return w.error }

// retries are what is tried again, and when. They are the loop's.
type retries struct {
	of        map[observed.Key]*retry
	refusal   refusal                 // what the head was refused for
	away      retry                   // what the head needs from elsewhere, and could not be had
	asked     map[observed.Key]string // the request for which a release was tried again
	busyUntil time.Time               // until when a rollout that somebody else began is left to them
}

func newRetries() *retries {
	return &retries{of: map[observed.Key]*retry{}, asked: map[observed.Key]string{}}
}

// waits returns the trouble for which a release waits; nil if it does not.
func (r *retries) waits(key observed.Key, now time.Time) error {
	if one := r.of[key]; one.pending(now) {
		return &waitingError{one.err}
	}
	return nil
}

// forget has every release tried at once.
func (r *retries) forget() { r.of = map[observed.Key]*retry{} }

// postpone has a release tried again later, the later the more often it was.
func (r *retries) postpone(log *slog.Logger, key observed.Key, err error, now time.Time) {
	var waiting *waitingError
	if errors.As(err, &waiting) {
		return
	}
	one := r.of[key]
	if one == nil {
		one = &retry{}
		r.of[key] = one
	}
	in := one.next()
	one.err, one.until = err, now.Add(in)
	log.Warn("will try again", "release", key.Name, "error", err, "in", timeOf(in))
}

// until returns how long until the first release is tried again.
func (r *retries) until(now time.Time) time.Duration {
	next := time.Hour
	for _, one := range r.of {
		next = min(next, max(one.until.Sub(now), 0))
	}
	return next
}

// busy has the environment looked at again when the first of those who are at work should
// have ended.
func (r *retries) busy(until, now time.Time) {
	if until.IsZero() {
		return
	}
	if !r.busyUntil.After(now) || until.Before(r.busyUntil) {
		r.busyUntil = until
	}
}

// refusal is what a commit was refused for, so that events in the cluster don't
// have the whole commit dry-run again and again.
type refusal struct {
	retry
	asked string // the commit, and the request of a person, if there was one
	texts []string
}

// known returns what the commit was refused for, until it is worth another try:
// it may be accepted once the cluster is another, with a CRD that somebody
// installs or a quota that is raised.
func (r *refusal) known(asked string, now time.Time) []string {
	if r.asked == asked && r.pending(now) {
		return r.texts
	}
	return nil
}

func (r *refusal) note(asked string, texts []string, now time.Time) {
	if r.asked != asked || len(texts) == 0 {
		*r = refusal{asked: asked}
	}
	if len(texts) > 0 && !r.pending(now) {
		r.texts, r.until = texts, now.Add(r.next())
	}
}

// timeOf returns a short duration for people.
func timeOf(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
