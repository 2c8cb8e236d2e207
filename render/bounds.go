package render

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"regexp/syntax"
	"sync"
)

// What is parsed in this process takes a hundred times its size in memory at the
// worst, and so is small.
const (
	maxYAML         = 1 << 20   // environment.yaml, and each file of values
	maxValues       = 16 << 20  // the values of all releases of an environment, as JSON
	maxCounted      = 1_000_000 // of them: numbers, texts, lists, maps and keys
	maxRead         = 256 << 20 // the files of values of all releases of an environment, each as often as it is listed
	maxLayers       = 100       // of values, of a release
	maxKeptFiles    = 128 << 20 // the charts of an environment
	maxEnvironments = 1000
	maxReleases     = 2000    // of an environment: the ledger has a line for each
	maxPatches      = 100     // of a release
	maxPattern      = 256     // bytes of a regular expression
	maxPatched      = 4 << 20 // bytes of all patches of an environment
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
func (t *taken) room(spec ReleaseSpec) error {
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
	return Problems{{File: spec.file, Line: spec.line, Message: fmt.Sprintf("release %s: %s", spec.Name, why)}}
}

// add counts a release that was prepared.
func (t *taken) add(p *Prepared) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.values, t.counted, t.read = t.values+p.size, t.counted+p.counted, t.read+p.read
}

// chart counts a chart, once however many releases have it. Where files have no hashes,
// and so charts no names, nothing is kept that could be counted.
func (t *taken) chart(spec ReleaseSpec, s *source) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.key == "" || t.charts[s.key] {
		return nil
	}
	if t.kept+s.size > maxKeptFiles {
		return Problems{{File: spec.file, Line: spec.line, Message: fmt.Sprintf("release %s: the charts of this environment's releases are larger than %d MiB together: leave out what is no part of them, by .helmignore, or split the environment", spec.Name, maxKeptFiles>>20)}}
	}
	if t.charts == nil {
		t.charts = map[string]bool{}
	}
	t.charts[s.key], t.kept = true, t.kept+s.size
	return nil
}

var errTooLarge = errors.New("it is too large")

// readBounded reads a file that has no more than max bytes.
func readBounded(files fs.FS, name string, max int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, max+1))
	if err == nil && int64(len(raw)) > max {
		err = fmt.Errorf("%w: more than %d KiB; split it", errTooLarge, max>>10)
	}
	return raw, err
}

// The bounds of regular expressions, in steps: those of one, and of an environment. The
// library writes counted repetitions out, each step in some forty bytes.
const (
	maxSteps    = 2_000
	maxAllSteps = 100_000
)

// pattern compiles a regular expression, whose anchors may be added, if it is no larger
// than it may be.
func (l *checker) pattern(text string) (*regexp.Regexp, error) {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	n := written(parsed)
	if l.steps = min(l.steps+n, maxAllSteps+1); n > maxSteps || l.steps > maxAllSteps {
		return nil, fmt.Errorf("with its repetitions written out it has %d steps: %d are allowed, and %d in all of an environment; count less, or use * and +", n, maxSteps, maxAllSteps)
	}
	return regexp.Compile(text)
}

// written is how long a regular expression is with its repetitions written out.
func written(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += written(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<20) // repetitions of repetitions
}
