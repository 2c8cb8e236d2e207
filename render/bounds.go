package render

import (
	"fmt"
	"sync"

	"github.com/xetys/tether/render/charts"
	"github.com/xetys/tether/render/config"
)

// These bound what is parsed in this process, which takes a hundred times its size in
// memory at the worst.
const (
	maxValues    = 16 << 20  // the values of all releases of an environment, as JSON
	maxCounted   = 1_000_000 // of them: numbers, texts, lists, maps and keys
	maxRead      = 256 << 20 // the files of values of all releases of an environment, each as often as it is listed
	maxKeptFiles = 128 << 20 // the charts of an environment
)

// taken is what was read for an environment's releases, whether or not it was read before:
// what is refused must not depend on that. It is safe for concurrent use.
type taken struct {
	mu                    sync.Mutex
	values, counted, read int
	charts                map[string]bool
	kept                  int // bytes of them
}

// room says whether there is room for one more release, and what there is too much of.
func (t *taken) room(spec config.ReleaseSpec) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	why := ""
	switch {
	case t.values > maxValues:
		why = fmt.Sprintf("the values of this environment's releases are larger than %d MiB together: split the environment", maxValues>>20)
	case t.counted > maxCounted:
		why = fmt.Sprintf("the values of this environment's releases are more than %d together: split the environment", maxCounted)
	case t.read > maxRead:
		why = fmt.Sprintf("the files of values that this environment's releases list are larger than %d MiB together, each as often as it is listed: split the environment", maxRead>>20)
	default:
		return nil
	}
	return config.Problems{{File: spec.File, Line: spec.Line, Message: fmt.Sprintf("release %s: %s", spec.Name, why)}}
}

// add counts a release that was prepared.
func (t *taken) add(p *Prepared) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.values, t.counted, t.read = t.values+p.size, t.counted+p.counted, t.read+p.read
}

// chart counts a chart, once however many releases have it. Where files have no hashes,
// and so charts no names, nothing is kept that could be counted.
func (t *taken) chart(spec config.ReleaseSpec, s *charts.Chart) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.Key == "" || t.charts[s.Key] {
		return nil
	}
	if t.kept+s.Size > maxKeptFiles {
		return config.Problems{{File: spec.File, Line: spec.Line, Message: fmt.Sprintf("release %s: the charts of this environment's releases are larger than %d MiB together: leave out what is no part of them, by .helmignore, or split the environment", spec.Name, maxKeptFiles>>20)}}
	}
	if t.charts == nil {
		t.charts = map[string]bool{}
	}
	t.charts[s.Key], t.kept = true, t.kept+s.Size
	return nil
}
