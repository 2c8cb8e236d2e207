package decide

import (
	"fmt"
	"time"

	"github.com/xetys/tether/render/config"
)

// Closed says why nothing new may be deployed at now, or nothing if it may; next
// is when that changes, zero if it does not as far as Turns looks.
func Closed(windows []config.Window, now time.Time) (reason string, next time.Time) {
	is, next, whole := windowState(windows, now)
	switch {
	case is:
		return "", next
	case !next.IsZero():
		return fmt.Sprintf("outside the deploy windows: the next opens at %s", next.UTC().Format(time.RFC3339)), next
	case whole:
		return "outside the deploy windows, and none opens within a year", next
	}
	return fmt.Sprintf("outside the deploy windows, and their next %d starts open none", maxStarts), next
}

// NextChange returns when what Closed says becomes the opposite: when deploys are allowed
// next if they are not now, or else when they end to be. It is zero if that is not within
// a year, or within 10,000 starts of windows.
func NextChange(windows []config.Window, now time.Time) time.Time {
	_, at, _ := windowState(windows, now)
	return at
}

const (
	// longest is how far ahead is looked.
	longest = 366 * 24 * time.Hour
	// maxStarts bounds what one look costs: a schedule may have a start each minute, and
	// who writes it is not who waits for the answer. It takes some ten milliseconds.
	maxStarts = 10_000
	// daylight is more than any zone's clocks are put back.
	daylight = 2 * time.Hour
)

// windowState reports whether deploys are allowed at now, and when that changes first; at is
// zero if it does not, and whole whether a whole year was looked through for that.
func windowState(windows []config.Window, now time.Time) (is bool, at time.Time, whole bool) {
	left := maxStarts
	var spans []*span
	for _, w := range windows {
		spans = append(spans, newSpan(w, now, &left))
	}
	is = allowed(spans)
	for {
		first := earliest(spans)
		switch {
		case left < 0:
			return is, time.Time{}, false
		case first.IsZero(), first.Sub(now) >= longest:
			return is, time.Time{}, true
		}
		for _, s := range spans {
			if s.change.Equal(first) {
				s.turn()
			}
		}
		if left >= 0 && allowed(spans) != is {
			return is, first, true
		}
	}
}

// allowed reports whether no window that denies is active, and one that allows, if there
// is any.
func allowed(spans []*span) bool {
	active, restricted := false, false
	for _, s := range spans {
		if s.window.Deny && s.active {
			return false
		}
		restricted = restricted || !s.window.Deny
		active = active || s.active
	}
	return active || !restricted
}

// earliest returns the next start or end of any window.
func earliest(spans []*span) time.Time {
	var first time.Time
	for _, s := range spans {
		if !s.change.IsZero() && (first.IsZero() || s.change.Before(first)) {
			first = s.change
		}
	}
	return first
}

// span goes through the times at which a window is active, where times that overlap or
// touch are one. A start that daylight saving skips counts an hour later, one that it
// repeats counts the first time; durations are absolute.
type span struct {
	window config.Window
	active bool
	change time.Time // when it ends if it is active, or else when it begins; zero if never
	start  time.Time // the first start that is not looked at yet; zero if there is none
	wall   time.Time // the same on the zone's clocks
	until  time.Time // what lies later is of no interest
	left   *int      // how many starts may still be looked at; below zero, the rest is unknown
}

// newSpan returns a window as it is at now.
func newSpan(w config.Window, now time.Time, left *int) *span {
	s := &span{window: w, until: now.Add(longest), wall: lastBefore(w, now).Add(-daylight), left: left}
	for s.advance(); !s.start.IsZero() && !s.start.After(now); s.advance() {
		if end := s.start.Add(w.Duration); end.After(now) && end.After(s.change) {
			s.active, s.change = true, end
		}
	}
	if s.active {
		s.prolong()
	} else {
		s.change = s.start
	}
	return s
}

// lastBefore returns the last start before now that may matter, or else a time before which
// none does. It halves the time in which that start may lie, since a window of a month may
// start each minute.
func lastBefore(w config.Window, now time.Time) time.Time {
	high := asUTC(now.In(w.Location)).Add(daylight)
	low := high.Add(-w.Duration - 2*daylight)
	for high.Sub(low) > time.Minute {
		middle := low.Add(high.Sub(low) / 2)
		if at := w.Starts.Next(middle); !at.IsZero() && !inZone(at, w.Location).After(now) {
			low = at
		} else {
			high = middle
		}
	}
	return low
}

// next goes on to the next start, if that may still be looked at.
func (s *span) next() {
	if *s.left--; *s.left < 0 {
		s.start = time.Time{}
		return
	}
	s.advance()
}

func (s *span) advance() {
	s.start = time.Time{}
	if s.wall = s.window.Starts.Next(s.wall); !s.wall.IsZero() {
		s.start = inZone(s.wall, s.window.Location)
	}
}

// turn passes the change: what is active ends, and what is not begins.
func (s *span) turn() {
	if s.active {
		s.active, s.change = false, s.start
		return
	}
	s.active, s.change = true, s.start.Add(s.window.Duration)
	s.next()
	s.prolong()
}

// prolong takes in the starts that come before the window ends.
func (s *span) prolong() {
	for ; !s.start.IsZero() && !s.start.After(s.change) && s.change.Before(s.until); s.next() {
		if end := s.start.Add(s.window.Duration); end.After(s.change) {
			s.change = end
		}
	}
}

func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func inZone(wall time.Time, zone *time.Location) time.Time {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	if first := t.Add(-time.Hour); asUTC(first.In(zone)).Equal(wall) {
		return first
	}
	return t
}
