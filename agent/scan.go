package agent

import (
	"time"

	"github.com/xetys/tether/agent/observed"
)

// fullScan has every release surveyed anew from time to time, a few at once: it is
// the safety net below the watches, and must not be felt.
type fullScan struct {
	next  time.Time // when there is something to do; zero for never
	every time.Duration
	due   time.Time      // when the next scan begins
	left  []observed.Key // what is left to do of one that has begun
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
		s.due = e.agent.opts.FullScan(e.Now())
		s.next = s.due
	}
}

// rescan begins a full scan when it is due, and has the next releases of one that
// has begun surveyed by the next look. While a commit is carried out it waits.
func (e *environment) rescan(s *fullScan) {
	now := e.Now()
	if s.next.IsZero() || now.Before(s.next) {
		return
	}
	if e.rollouts.underWay() != nil {
		s.next = now.Add(time.Second)
		return
	}
	if len(s.left) == 0 {
		s.plan(e)
		e.Observed.Baselines.Distrust()
		e.Observed.Histories.ReadAnew()
		s.left = e.Observed.Baselines.Releases()
		s.every = min(s.due.Sub(now)/2, longestScan) / time.Duration(max(1, len(s.left)))
	}
	batch := 1
	if s.every < time.Second {
		batch = int(time.Second/max(s.every, time.Millisecond)) + 1
	}
	batch = min(batch, len(s.left))
	for _, key := range s.left[:batch] {
		if h := e.Observed.Baselines.HeldOf(key); h != nil {
			e.Cluster.Doubt(h.IDs)
			e.Observed.Baselines.Hold(key, h.Doubted())
		}
	}
	if s.left = s.left[batch:]; len(s.left) > 0 {
		s.next = now.Add(max(s.every, time.Second))
	} else {
		s.next = s.due
	}
}
