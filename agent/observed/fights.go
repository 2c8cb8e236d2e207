package observed

import (
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
	maxFight      = 5 * time.Minute
	// fightForgotten is how long an object has to stay as it is for a fight to be over.
	fightForgotten = time.Minute
)

// Fights are the objects that somebody changes again each time they are put back. They are
// safe for concurrent use.
type Fights struct {
	mu sync.Mutex
	of map[manifest.ID]*fight
}

func (f *Fights) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of = map[manifest.ID]*fight{}
}

// WithoutFought takes out of a plan what is fought over and not to be put back yet.
// Its drift is reported all the same.
func (f *Fights) WithoutFought(p plan.Plan, now time.Time) plan.Plan {
	f.mu.Lock()
	defer f.mu.Unlock()
	p.Changes = slices.DeleteFunc(slices.Clone(p.Changes), func(c plan.Change) bool {
		one := f.of[c.ID]
		return one != nil && now.Before(one.until)
	})
	return p
}

// AddCorrection notes that an object was put back. It returns how often it was in a row, and how
// long it is left alone if that was in vain: twice as long each time.
func (f *Fights) AddCorrection(id manifest.ID, now time.Time) (times int, pause time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	one := f.of[id]
	if one == nil || now.After(one.until.Add(fightForgotten)) {
		one = &fight{until: now}
		f.of[id] = one
	}
	one.times++
	if n := one.times - fightPatience; n >= 0 {
		pause = min(time.Second<<min(n, 16), maxFight)
	}
	one.until = now.Add(pause)
	maps.DeleteFunc(f.of, func(_ manifest.ID, one *fight) bool { return now.After(one.until.Add(fightForgotten)) })
	return one.times, pause
}
