package assess

import (
	"context"
	"sync"
	"time"

	"github.com/xetys/tether/apply"
)

// Homes are the namespaces in which agents keep their ledgers: those of other agents in the
// cluster are as much out of reach as one's own. It is safe for concurrent use.
type Homes struct {
	mu    sync.Mutex
	found []string
	until time.Time
}

// homesKept is for how long what was found is believed.
const homesKept = time.Minute

// Find returns the namespaces of agents. One that may not list ConfigMaps of all namespaces
// knows none but its own.
func (h *Homes) Find(ctx context.Context, c *apply.Cluster, now time.Time) ([]string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.Before(h.until) {
		return h.found, nil
	}
	found, err := c.Homes(ctx)
	if err != nil {
		return nil, err
	}
	h.found, h.until = found, now.Add(homesKept)
	return found, nil
}
