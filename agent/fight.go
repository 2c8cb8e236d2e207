package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// fight is an object that somebody changes again each time it is put back.
type fight struct {
	times int       // how often it was put back in a row
	until time.Time // it is left alone until then
}

const (
	// fightPatience is how often an object is put back at once before it is a fight: an
	// edit by hand is often followed by another.
	fightPatience = 3
	longestFight  = 5 * time.Minute
	// truce is how long an object has to stay as it is for a fight to be over.
	truce = time.Minute
)

// fights are the objects that somebody changes again each time they are put back. They are
// safe for concurrent use.
type fights struct {
	mu sync.Mutex
	of map[manifest.ID]*fight
}

func (f *fights) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of = map[manifest.ID]*fight{}
}

// leave takes out of a plan what is fought over and not to be put back yet.
// Its drift is reported all the same.
func (f *fights) leave(p plan.Plan, now time.Time) plan.Plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.Changes = slices.DeleteFunc(slices.Clone(p.Changes), func(c plan.Change) bool {
		one := f.of[c.ID]
		return one != nil && now.Before(one.until)
	})
	return p
}

// putBack notes that an object was put back. It returns how often it was in a row, and how
// long it is left alone if that was in vain: twice as long each time.
func (f *fights) putBack(id manifest.ID, now time.Time) (times int, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.of[id]
	if one == nil || now.After(one.until.Add(truce)) {
		one = &fight{until: now}
		f.of[id] = one
	}
	one.times++
	if n := one.times - fightPatience; n >= 0 {
		pause = min(time.Second<<min(n, 16), longestFight)
	}
	one.until = now.Add(pause)
	maps.DeleteFunc(f.of, func(_ manifest.ID, one *fight) bool { return now.After(one.until.Add(truce)) })
	return one.times, pause
}

// putBack notes that an object was put back, and says so if it is fought over.
func (e *environment) putBack(ctx context.Context, j *job, c plan.Change) {
	times, pause := e.fights.putBack(c.ID, e.agent.opts.Now())
	if pause == 0 {
		return
	}
	time.AfterFunc(pause, e.inbox.trigger)
	e.agent.metrics.Fought(e.name, j.spec.Name)
	rival := rivalOf(j, c)
	text := fmt.Sprintf("release %s: %s was put back %d times in a row, and changed again by %s: it is left alone for %s; take the field out of the chart, or the other writer away",
		j.spec.Name, c.ID, times, rival, pause)
	e.log.Warn("fight", "release", j.spec.Name, "object", c.ID.String(), "by", rival, "times", times, "pause", timeOf(pause))
	e.reporter.Say(ctx, "Warning", "Fight", text)
}

func rivalOf(j *job, c plan.Change) string {
	for _, f := range j.owner.Differences(c) {
		if f.Manager != "" {
			return f.Manager
		}
	}
	if c.Live == nil {
		return "somebody who deletes it"
	}
	return "somebody"
}
