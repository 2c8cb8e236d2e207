package charts

import (
	"slices"
	"sync"

	"github.com/xetys/tether/render/worker"
)

// Store keeps charts that were loaded, by what they hold. What was not used for the longest
// time is dropped when they are more than keptCharts bytes; who uses a chart keeps it all
// the same. It is safe for concurrent use.
type Store struct {
	pool *worker.Pool

	mu    sync.Mutex
	byKey map[string]*Chart
	order []string // the last one was used last
	size  int
}

const keptCharts = 64 << 20

// NewStore returns an empty store. Charts are read by workers of a pool.
func NewStore(pool *worker.Pool) *Store { return &Store{pool: pool, byKey: map[string]*Chart{}} }

func (c *Store) get(key string) *Chart {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.byKey[key]
	if s != nil {
		i := slices.Index(c.order, key)
		c.order = append(slices.Delete(c.order, i, i+1), key)
	}
	return s
}

func (c *Store) put(s *Chart) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Key == "" || c.byKey[s.Key] != nil {
		return
	}
	c.byKey[s.Key], c.order, c.size = s, append(c.order, s.Key), c.size+s.Size
	for c.size > keptCharts && len(c.order) > 1 {
		oldest := c.order[0]
		c.size -= c.byKey[oldest].Size
		c.order = c.order[1:]
		delete(c.byKey, oldest)
	}
}
