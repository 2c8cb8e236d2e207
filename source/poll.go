package source

import (
	"context"
	"math/rand/v2"
	"time"
)

// Poller fetches a repository again and again.
type Poller struct {
	repo *Repository
	now  chan struct{}
}

// NewPoller returns a Poller of repo.
func NewPoller(repo *Repository) *Poller { return &Poller{repo: repo, now: make(chan struct{}, 1)} }

// Trigger asks for a fetch now; it does not wait for it.
func (p *Poller) Trigger() {
	select {
	case p.now <- struct{}{}:
	default:
	}
}

// longest is how far apart fetches of a repository that is away get.
const longest = 5 * time.Minute

// Run fetches at once and then every interval, give or take a tenth, until ctx
// ends; fetched is called with each outcome. After an error the time to the next
// is doubled each time, up to five minutes.
func (p *Poller) Run(ctx context.Context, interval time.Duration, fetched func(Heads, error)) {
	wait := interval
	for ctx.Err() == nil {
		heads, err := p.repo.Fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		fetched(heads, err)
		wait = min(2*wait, max(longest, interval))
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
