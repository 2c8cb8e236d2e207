package decide

import (
	"fmt"
	"time"

	"github.com/xetys/tether/render"
)

// Closed says why nothing new may be deployed at now, or nothing if it may; next
// is when that may change, zero if never.
func Closed(windows []render.Window, now time.Time) (reason string, next time.Time) {
	next = nextChange(windows, now)
	if open(windows, now) {
		return "", next
	}
	opens := Turns(windows, now)
	if opens.IsZero() {
		return "outside the deploy windows, and none opens within a year", next
	}
	return fmt.Sprintf("outside the deploy windows: the next opens at %s", opens.UTC().Format(time.RFC3339)), next
}

// Turns returns when what Closed says becomes the opposite: when deploys are allowed
// next if they are not now, or else when they end to be. It is zero if that is not within
// a year.
func Turns(windows []render.Window, now time.Time) time.Time {
	is, at := open(windows, now), nextChange(windows, now)
	for !at.IsZero() && at.Sub(now) < longest && open(windows, at) == is {
		at = nextChange(windows, at)
	}
	if at.IsZero() || at.Sub(now) >= longest {
		return time.Time{}
	}
	return at
}

// open reports whether now lies in no window that denies, and in one that
// allows if there is any.
func open(windows []render.Window, now time.Time) bool {
	allowed, restricted := false, false
	for _, w := range windows {
		_, active := span(w, now)
		if w.Deny && active {
			return false
		}
		restricted = restricted || !w.Deny
		allowed = allowed || active
	}
	return allowed || !restricted
}

// nextChange returns the next start or end of any window after now.
func nextChange(windows []render.Window, now time.Time) time.Time {
	var next time.Time
	for _, w := range windows {
		if at, _ := span(w, now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

// span returns whether a window is active, and when it ends, or else when it
// starts next. A start that daylight saving skips counts an hour later, one
// that it repeats counts the first time; durations are absolute.
func span(w render.Window, now time.Time) (change time.Time, active bool) {
	const daylight = 2 * time.Hour // more than any zone's clocks are put back
	wall := asUTC(now.In(w.Location)).Add(-w.Duration - daylight)
	for range 100_000 {
		wall = w.Starts.Next(wall)
		if wall.IsZero() {
			return change, active
		}
		start := inZone(wall, w.Location)
		end := start.Add(w.Duration)
		switch {
		case start.After(now) && !active:
			return start, false
		case start.After(change) && active:
			return change, true
		case end.After(now):
			change, active = end, true // a later start prolongs it
		}
		if active && start.After(now) && end.Sub(now) > longest {
			return change, true // it never ends, as far as anybody cares
		}
	}
	return change, active
}

// longest is how far ahead the end of a window is looked for.
const longest = 366 * 24 * time.Hour

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
