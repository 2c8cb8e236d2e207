package agent

import (
	"time"

	"github.com/xetys/tether/agent/observed"
)

// fullScan has every release surveyed anew from time to time, a few at once: it is the safety net
// below the watches, and must not slow anything else down.
type fullScan struct {
	next  time.Time // when there is something to do; zero for never
	every time.Duration
	due   time.Time      // when the next scan begins
	left  []observed.Key // what is left to do of one that has begun
}

// maxScan bounds how long one scan is spread over.
const maxScan = 10 * time.Minute

func newScan(e *environment) *fullScan {
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

// run begins a full scan when it is due, and has the next releases of one that has begun surveyed
// by the next pass. While a deploy is under way it waits.
func (s *fullScan) run(e *environment) {
	now := e.Now()
	if s.next.IsZero() || now.Before(s.next) {
		return
	}
	if e.rollouts.Current() != nil {
		s.next = now.Add(time.Second)
		return
	}
	if len(s.left) == 0 {
		s.plan(e)
		e.Observed.Baselines.DistrustRecords()
		e.Observed.Histories.Invalidate()
		s.left = e.Observed.Baselines.Releases()
		s.every = min(s.due.Sub(now)/2, maxScan) / time.Duration(max(1, len(s.left)))
	}
	batch := 1
	if s.every < time.Second {
		batch = int(time.Second/max(s.every, time.Millisecond)) + 1
	}
	batch = min(batch, len(s.left))
	for _, key := range s.left[:batch] {
		if b := e.Observed.Baselines.Of(key); b != nil {
			e.Cluster.Live.Placements.Invalidate(b.IDs)
			e.Observed.Baselines.Set(key, b.AsStale())
		}
	}
	if s.left = s.left[batch:]; len(s.left) > 0 {
		s.next = now.Add(max(s.every, time.Second))
	} else {
		s.next = s.due
	}
}
