package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/chart"

	"github.com/xetys/tether/render/patch"
)

// Pool starts workers when they are needed, and ends those that are not. A worker is
// somebody's: what it was given to render may have taken it over, and so it never works for
// anybody else. It is safe for concurrent use.
type Pool struct {
	limits  Limits
	program func() (string, error)
	turns   *turns

	mu    sync.Mutex
	idle  []*process // the last one was used last
	lacks []string   // what the kernel could not bound a worker with
}

// NewPool returns a pool without workers.
func NewPool(l Limits) *Pool {
	return &Pool{limits: l, program: self, turns: newTurns(l.Workers)}
}

// Lacks starts a worker, if there was none yet, and returns what the kernel could not bound
// it with.
func (p *Pool) Lacks(ctx context.Context) ([]string, error) {
	w, err := p.take(ctx, nil, false, p.pick)
	if err != nil {
		return nil, err
	}
	p.giveBack(w, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lacks, nil
}

// Shared is the pool of this process.
var Shared = sync.OnceValue(func() *Pool { return NewPool(DefaultLimits()) })

type whose struct{}

// For marks what is done under a context as somebody's work: an environment's. It is done by
// workers that never did anybody else's. What is nobody's work has a worker for itself, which
// is ended after it.
func For(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, whose{}, who)
}

// Whose returns who For was called with; empty if it was not.
func Whose(ctx context.Context) string {
	who, _ := ctx.Value(whose{}).(string)
	return who
}

// Load has Helm read a folder.
func (p *Pool) Load(ctx context.Context, folder string) (*Loaded, error) {
	out, err := p.call(ctx, &request{Do: load, Folder: folder}, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	ch, err := parseOutline(out.Outline)
	return &Loaded{Names: out.Names, Outline: ch}, err
}

// Describe has Helm read a chart, and returns it without its files.
func (p *Pool) Describe(ctx context.Context, c *Chart) (*chart.Chart, error) {
	out, err := p.call(ctx, &request{Do: describe}, c, nil, nil)
	if err != nil {
		return nil, err
	}
	return parseOutline(out.Outline)
}

// Check checks a release's values against its chart's schemas.
func (p *Pool) Check(ctx context.Context, c *Chart, r Release) error {
	_, err := p.call(ctx, &request{Do: check, Release: r}, c, nil, nil)
	return err
}

// Define returns what the chart's crds/ folders hold, and nothing else.
func (p *Pool) Define(ctx context.Context, c *Chart, r Release) (*Rendered, error) {
	out, err := p.call(ctx, &request{Do: define, Release: r}, c, nil, nil)
	if err != nil {
		return nil, err
	}
	return out.Rendered, nil
}

// Render runs a release's templates. Lookups are answered here; nil for none.
func (p *Pool) Render(ctx context.Context, c *Chart, r Release, caps *Capabilities, lookup Lookup) (*Rendered, error) {
	out, err := p.call(ctx, &request{Do: execute, Release: r}, c, caps, lookup)
	if err != nil {
		return nil, err
	}
	return out.Rendered, nil
}

// Patch applies patches, one after the other, to objects, which are JSON. A HelmError says
// which of them is at fault.
func (p *Pool) Patch(ctx context.Context, patches []patch.Patch, objects [][]byte) ([]patch.Changed, error) {
	out, err := p.call(ctx, &request{Do: alter, Patches: patches, Objects: objects}, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	return out.Patched, nil
}

// call has a worker do something. It is done once more by a fresh worker if one
// that was used before had too little memory left, or if something else ended it:
// the machine may have chosen it to get memory back.
func (p *Pool) call(ctx context.Context, r *request, c *Chart, caps *Capabilities, lookup Lookup) (*response, error) {
	out, err := p.try(ctx, r, c, caps, lookup, p.pick)
	if errors.Is(err, errKilled) || errors.Is(err, errUsed) {
		if out, err = p.try(ctx, r, c, caps, lookup, p.none); errors.Is(err, errKilled) {
			err = &Exceeded{r.Do.killed()}
		}
	}
	if err == nil && out.Error != "" {
		if out.Exceeded {
			return nil, &Exceeded{out.Error}
		}
		return nil, &HelmError{out.Error, out.At}
	}
	return out, err
}

// picker picks one of somebody's workers that is there: for a chart, or to read folders.
type picker func(who string, c *Chart, reads bool) *process

func (p *Pool) try(ctx context.Context, r *request, c *Chart, caps *Capabilities, lookup Lookup, pick picker) (*response, error) {
	w, err := p.take(ctx, c, r.Do == load, pick)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.limits.Time, &Exceeded{r.Do.endless(p.limits.Time)})
	defer cancel()
	out, err := w.call(ctx, r, c, caps, lookup)
	p.giveBack(w, err == nil)
	return out, err
}

// take waits for a turn and returns a worker.
func (p *Pool) take(ctx context.Context, c *Chart, reads bool, pick picker) (*process, error) {
	who := Whose(ctx)
	if err := p.turns.acquire(ctx, who); err != nil {
		return nil, err
	}
	if w := pick(who, c, reads); w != nil {
		return w, nil
	}
	p.makeRoom()
	w, err := p.start(ctx, reads)
	if err != nil {
		p.turns.release(who)
		return nil, fmt.Errorf("%w: %w", ErrStart, err)
	}
	w.who = who
	return w, nil
}

// start starts a worker and waits until it is there.
func (p *Pool) start(ctx context.Context, reads bool) (*process, error) {
	w, lacks, err := startProcess(ctx, p.program, p.limits.Memory, reads)
	if errors.Is(err, errUser) {
		w, lacks, err = startProcess(ctx, p.program, p.limits.Memory, reads)
	}
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.lacks = lacks
	p.mu.Unlock()
	return w, nil
}

// makeRoom ends workers that have nothing to do, if one more would be more than there may
// be: of those whose turn it is not, the one that was used last the longest time ago.
func (p *Pool) makeRoom() {
	for {
		p.mu.Lock()
		if len(p.idle) == 0 || len(p.idle)+p.turns.working() <= p.limits.Workers {
			p.mu.Unlock()
			return
		}
		at := max(slices.IndexFunc(p.idle, func(w *process) bool { return !p.turns.has(w.who) }), 0)
		w := p.idle[at]
		p.idle = slices.Delete(p.idle, at, at+1)
		w.expires.Stop()
		p.mu.Unlock()
		w.end()
	}
}

// none picks none of the workers that are there: one of them makes room instead.
func (p *Pool) none(who string, c *Chart, reads bool) *process {
	if w := p.pick(who, c, reads); w != nil {
		w.end()
	}
	return nil
}

// pick picks one of somebody's workers, one that knows the chart if there is one.
func (p *Pool) pick(who string, c *Chart, reads bool) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := -1
	for i, w := range p.idle {
		knows := at >= 0 && c != nil && p.idle[at].told.charts[c.ID]
		if w.who == who && w.reads() == reads && !knows {
			at = i
		}
	}
	if at < 0 {
		return nil
	}
	w := p.idle[at]
	p.idle = slices.Delete(p.idle, at, at+1)
	w.expires.Stop()
	return w
}

// giveBack keeps a worker for the next call of whose it is, unless it is nobody's, or worn.
func (p *Pool) giveBack(w *process, well bool) {
	defer p.turns.release(w.who)
	if !well {
		return // it is ended
	}
	if w.who == "" || w.worn() {
		w.end()
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, w)
	w.expires = time.AfterFunc(p.limits.Idle, func() { p.expire(w) })
}

func (p *Pool) expire(w *process) {
	p.mu.Lock()
	i := slices.Index(p.idle, w)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		w.end()
	}
}
