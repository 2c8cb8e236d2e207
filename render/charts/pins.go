package charts

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/xetys/tether/render/fetch"
)

// Pins are what an environment's charts that lie elsewhere were resolved to: ranges
// and tags mean another chart tomorrow. They are safe for concurrent use.
type Pins struct {
	mu    sync.Mutex
	known map[string]known
	used  map[string]fetch.Pin
}

type known struct {
	pin  fetch.Pin
	firm bool
}

func pinKey(chart, version string) string { return chart + " " + version }

// Prefer has charts resolved as they were before; later pins win. What the same commit
// was resolved to is kept to; another commit's counts only for a version, as nobody
// should publish it again, and gives way if somebody did.
func (p *Pins) Prefer(pins []fetch.Pin, sameCommit bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]known{}
	}
	for _, pin := range pins {
		if sameCommit || pin.Version == "" || fetch.IsVersion(pin.Version) {
			p.known[pinKey(pin.Chart, pin.Version)] = known{pin, sameCommit}
		}
	}
}

// Used returns what was resolved, or kept to, sorted.
func (p *Pins) Used() []fetch.Pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.SortedFunc(maps.Values(p.used), func(a, b fetch.Pin) int {
		return cmp.Or(cmp.Compare(a.Chart, b.Chart), cmp.Compare(a.Version, b.Version))
	})
}

func (p *Pins) of(r fetch.Reference) (*fetch.Pin, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := pinKey(r.Chart(), r.Asked())
	if pin, ok := p.used[key]; ok {
		return &pin, true
	}
	if k, ok := p.known[key]; ok {
		return &k.pin, k.firm
	}
	return nil, false
}

func (p *Pins) use(pin fetch.Pin) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used == nil {
		p.used = map[string]fetch.Pin{}
	}
	p.used[pinKey(pin.Chart, pin.Version)] = pin
}
