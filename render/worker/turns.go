package worker

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// turnTime is how long somebody goes on with a worker while others wait: to start
	// another one takes as long as some twenty renders.
	turnTime = time.Second
	// pauseTime is how long a worker waits for the next call of a turn that is not over.
	pauseTime = 5 * time.Millisecond
)

// turns says who may have a worker work, so many at once. Whoever has the fewest is next,
// and of several who has waited longest, so that nobody keeps the others waiting. It is safe
// for concurrent use.
type turns struct {
	most int

	mu      sync.Mutex
	held    map[string]*turn
	waiting []*waiter // the first one waits longest
}

// turn is what somebody has.
type turn struct {
	workers int
	since   time.Time   // when the first of them was had
	pause   *time.Timer // runs while the only one does nothing, and is kept for the next call
}

type waiter struct {
	who   string
	ready chan struct{}
}

func newTurns(most int) *turns { return &turns{most: most, held: map[string]*turn{}} }

// acquire waits until somebody may have one more worker.
func (t *turns) acquire(ctx context.Context, who string) error {
	t.mu.Lock()
	if h := t.held[who]; h != nil && h.pause != nil {
		h.pause.Stop()
		h.pause = nil
		t.mu.Unlock()
		return nil
	}
	if n, _ := t.count(); n < t.most {
		t.give(who)
		t.mu.Unlock()
		return nil
	}
	w := &waiter{who, make(chan struct{})}
	t.waiting = append(t.waiting, w)
	t.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	i := slices.Index(t.waiting, w)
	if i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	}
	t.mu.Unlock()
	if i < 0 { // it was its turn just now
		t.release(who)
	}
	return context.Cause(ctx)
}

// give is called with the lock held.
func (t *turns) give(who string) {
	h := t.held[who]
	if h == nil {
		h = &turn{since: time.Now()}
		t.held[who] = h
	}
	h.workers++
}

// release ends a call. The turn goes on for a moment, if it has just begun and is the only
// one that somebody has: most call again at once.
func (t *turns) release(who string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.held[who]
	if who == "" || len(t.waiting) == 0 || h.workers > 1 || time.Since(h.since) > turnTime {
		t.pass(who)
		return
	}
	if i := slices.IndexFunc(t.waiting, func(w *waiter) bool { return w.who == who }); i >= 0 {
		close(t.waiting[i].ready)
		t.waiting = slices.Delete(t.waiting, i, i+1)
		return
	}
	var pause *time.Timer
	pause = time.AfterFunc(pauseTime, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if h.pause == pause {
			h.pause = nil
			t.pass(who)
		}
	})
	h.pause = pause
}

// pass takes one worker from somebody, for the next who waits. It is called with the lock
// held.
func (t *turns) pass(who string) {
	if t.held[who].workers--; t.held[who].workers == 0 {
		delete(t.held, who)
	}
	if len(t.waiting) == 0 {
		return
	}
	next := slices.MinFunc(t.waiting, func(a, b *waiter) int { return t.of(a.who) - t.of(b.who) })
	t.waiting = slices.DeleteFunc(t.waiting, func(w *waiter) bool { return w == next })
	t.give(next.who)
	close(next.ready)
}

// of is how many somebody has. It is called with the lock held.
func (t *turns) of(who string) int {
	if h := t.held[who]; h != nil {
		return h.workers
	}
	return 0
}

// count is how many there are, and how many of them are paused. It is called with the lock
// held.
func (t *turns) count() (all, paused int) {
	for _, h := range t.held {
		all += h.workers
		if h.pause != nil {
			paused++
		}
	}
	return all, paused
}

// working is how many workers are had and not paused.
func (t *turns) working() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, paused := t.count()
	return all - paused
}

// has reports whether somebody has a turn.
func (t *turns) has(who string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.of(who) > 0
}
