package charts

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/xetys/tether/render/worker"
)

// Store keeps charts that were loaded, by what they hold and for whose work they were read
// (worker.For): what a worker says of a chart is believed by nobody else. The files themselves
// are kept once. What was not used for the longest time is dropped when they are more than
// keptCharts bytes; who uses a chart keeps it all the same. It is safe for concurrent use.
type Store struct {
	pool *worker.Pool

	mu    sync.Mutex
	byKey map[string]*kept
	order []string // the last one was used last
	size  int
}

// kept is a chart as it was read for each who has it.
type kept struct {
	size int
	of   map[string]*Chart
}

const keptCharts = 64 << 20

// NewStore returns an empty store. Charts are read by workers of a pool.
func NewStore(pool *worker.Pool) *Store { return &Store{pool: pool, byKey: map[string]*kept{}} }

func (c *Store) get(ctx context.Context, key string) *Chart {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.byKey[key]
	if k == nil || k.of[worker.Whose(ctx)] == nil {
		return nil
	}
	i := slices.Index(c.order, key)
	c.order = append(slices.Delete(c.order, i, i+1), key)
	return k.of[worker.Whose(ctx)]
}

// share has files be those that are kept of a chart already, where they hold the same. They
// came from git or from an archive: no worker had them in its hands.
func (c *Store) share(key string, files []*loader.BufferedFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.byKey[key]
	if k == nil {
		return
	}
	there := map[string]*loader.BufferedFile{}
	for _, s := range k.of {
		for _, f := range s.Files {
			there[f.Name] = f
		}
	}
	for i, f := range files {
		if same := there[f.Name]; same != nil && bytes.Equal(same.Data, f.Data) {
			files[i] = same
		}
	}
}

func (c *Store) put(ctx context.Context, s *Chart) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.Key == "" {
		return
	}
	if k := c.byKey[s.Key]; k != nil {
		k.of[worker.Whose(ctx)] = s
		return
	}
	c.byKey[s.Key] = &kept{size: s.Size, of: map[string]*Chart{worker.Whose(ctx): s}}
	c.order, c.size = append(c.order, s.Key), c.size+s.Size
	for c.size > keptCharts && len(c.order) > 1 {
		oldest := c.order[0]
		c.size -= c.byKey[oldest].size
		c.order = c.order[1:]
		delete(c.byKey, oldest)
	}
}
