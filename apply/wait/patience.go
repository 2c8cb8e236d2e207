package wait

import (
	"time"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/render/manifest"
)

// patience is how long one wait goes on for an object that won't mend itself, or of which no
// controller says anything.
type patience struct {
	failed map[manifest.ID]time.Time // since when objects say that they will not mend themselves
	half   time.Time                 // when half of the time is over
}

// spent reports whether an object of which no controller says anything was waited for long
// enough: the time-out is not for that.
func (p *patience) spent(h judge.Health, now time.Time) bool {
	return !h.Again.IsZero() && !now.Before(p.half)
}

// left returns how long an object that won't mend itself has left before it ends the
// rollout, or how long until its answer changes by itself; an hour if neither.
func (p *patience) left(h judge.Health, now time.Time) time.Duration {
	if h.State != health.Unhealthy || h.Mends {
		delete(p.failed, h.ID)
		if !h.Again.IsZero() {
			return max(min(h.Again.Sub(now), p.half.Sub(now)), 0)
		}
		return time.Hour
	}
	if _, seen := p.failed[h.ID]; !seen {
		p.failed[h.ID] = now
	}
	return max(h.Grace-now.Sub(p.failed[h.ID]), 0)
}

// ends reports whether an object that has some time left ends the rollout now.
func ends(h judge.Health, left time.Duration) bool {
	return h.State == health.Unhealthy && !h.Mends && left == 0
}
