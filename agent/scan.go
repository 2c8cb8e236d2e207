package agent

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// fullScan has every release surveyed anew from time to time, a few at once: it is
// the safety net below the watches, and must not be felt.
type fullScan struct {
	next  time.Time // when there is something to do; zero for never
	every time.Duration
	due   time.Time // when the next scan begins
}

// longestScan bounds how long one scan is spread over.
const longestScan = 10 * time.Minute

func (e *environment) newScan() *fullScan {
	s := &fullScan{}
	s.plan(e)
	return s
}

// plan sets when the next scan begins.
func (s *fullScan) plan(e *environment) {
	if e.agent.opts.FullScan != nil {
		s.due = e.agent.opts.FullScan(e.agent.opts.Now())
		s.next = s.due
	}
}

// rescan begins a full scan when it is due, and has the next releases of one that
// has begun surveyed by the next look. While a commit is carried out it waits.
func (e *environment) rescan(s *fullScan) {
	now := e.agent.opts.Now()
	if s.next.IsZero() || now.Before(s.next) {
		return
	}
	if e.underWay() != nil {
		s.next = now.Add(time.Second)
		return
	}
	if len(e.scan) == 0 {
		s.plan(e)
		e.beginScan()
		s.every = min(s.due.Sub(now)/2, longestScan) / time.Duration(max(1, len(e.scan)))
	}
	batch := 1
	if s.every < time.Second {
		batch = int(time.Second/max(s.every, time.Millisecond)) + 1
	}
	batch = min(batch, len(e.scan))
	for _, key := range e.scan[:batch] {
		if h := e.heldOf(key); h != nil {
			e.cluster.Doubt(h.ids)
			stale := *h
			stale.stale = true
			e.hold(key, &stale)
		}
	}
	if e.scan = e.scan[batch:]; len(e.scan) > 0 {
		s.next = now.Add(max(s.every, time.Second))
	} else {
		s.next = s.due
	}
}

// beginScan reads the records anew and lists all releases.
func (e *environment) beginScan() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trusting = false
	e.scan = slices.SortedFunc(maps.Keys(e.held), func(a, b releaseKey) int { return strings.Compare(a.String(), b.String()) })
	clear(e.scopes)
	clear(e.histories)
}
