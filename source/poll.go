package source

import (
	"context"
	"math/rand/v2"
	"time"
)

// Poller fetches a source again and again.
type Poller struct {
	source Source
	now    chan struct{}
}

// NewPoller returns a Poller of a source.
func NewPoller(s Source) *Poller { return &Poller{source: s, now: make(chan struct{}, 1)} }

// Trigger asks for a fetch now; it does not wait for it.
func (p *Poller) Trigger() {
	select {
	case p.now <- struct{}{}:
	default:
	}
}

// maxBackoff is the longest time between two fetches of a source that fails.
const maxBackoff = 5 * time.Minute

// Run fetches at once and then every interval, give or take a tenth, until ctx
// ends; fetched is called with each outcome. After an error the time to the next
// is doubled each time, up to five minutes.
func (p *Poller) Run(ctx context.Context, interval time.Duration, fetched func(Heads, error)) {
	wait := interval
	for ctx.Err() == nil {
		heads, err := p.source.Fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		fetched(heads, err)
		wait = min(2*wait, max(maxBackoff, interval))
		if err == nil {
			wait = interval
		}
		timer := time.NewTimer(time.Duration(float64(wait) * (0.9 + 0.2*rand.Float64())))
		select {
		case <-ctx.Done():
		case <-p.now:
		case <-timer.C:
		}
		timer.Stop()
	}
}
