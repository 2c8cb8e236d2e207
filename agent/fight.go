package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xetys/tether/apply"
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

// leaveFights takes out of a plan what is fought over and not to be put back yet.
// Its drift is reported all the same.
func (e *environment) leaveFights(p apply.Plan) apply.Plan {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.agent.opts.Now()
	p.Changes = slices.DeleteFunc(slices.Clone(p.Changes), func(c apply.Change) bool {
		f := e.fights[c.ID]
		return f != nil && now.Before(f.until)
	})
	return p
}

// putBack notes that an object was put back, and how long it is left alone if
// that was in vain: twice as long each time.
func (e *environment) putBack(ctx context.Context, j *job, c apply.Change) {
	now := e.agent.opts.Now()
	e.mu.Lock()
	f := e.fights[c.ID]
	if f == nil || now.After(f.until.Add(truce)) {
		f = &fight{until: now}
		e.fights[c.ID] = f
	}
	f.times++
	var pause time.Duration
	if n := f.times - fightPatience; n >= 0 {
		pause = min(time.Second<<min(n, 16), longestFight)
	}
	f.until = now.Add(pause)
	e.forgetFights(now)
	e.mu.Unlock()
	if pause == 0 {
		return
	}
	time.AfterFunc(pause, e.trigger)
	e.agent.metrics.Fought(e.name, j.spec.Name)
	text := fmt.Sprintf("release %s: %s was put back %d times in a row, and changed again by %s: it is left alone for %s; take the field out of the chart, or the other writer away",
		j.spec.Name, c.ID, f.times, rivalOf(j, c), pause)
	e.log.Warn("fight", "release", j.spec.Name, "object", c.ID.String(), "by", rivalOf(j, c), "times", f.times, "pause", timeOf(pause))
	e.reporter.Say(ctx, "Warning", "Fight", text)
}

// forgetFights drops those that are over; e.mu is held.
func (e *environment) forgetFights(now time.Time) {
	for id, f := range e.fights {
		if now.After(f.until.Add(truce)) {
			delete(e.fights, id)
		}
	}
}

func rivalOf(j *job, c apply.Change) string {
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

type fights = map[manifest.ID]*fight
