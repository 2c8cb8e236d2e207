package kube

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"
)

// DefaultConcurrency is how many requests are under way at once at the most, unless
// something else is asked for.
const DefaultConcurrency = 16

// Pace limits the number of concurrent requests. The limit is halved each time the API server
// answers that it has too many (429, see
// https://kubernetes.io/docs/concepts/cluster-administration/flow-control/), and then grows by
// one with every round without such an answer. Watches and leases are not counted. It is safe
// for concurrent use, and may be shared by clusters.
type Pace struct {
	observe func(verb string, code int)

	mu     sync.Mutex
	most   int
	limit  int
	active int
	good   int       // answers since the limit last changed
	halved time.Time // when it was last halved
	queues []*Queue
	last   int // the queue that was last let in
}

// Queue is the queue of one cluster's requests. Queues are served in turn, so that an
// environment with ten thousand requests does not delay the others.
type Queue struct {
	pace    *Pace
	waiting []chan struct{}
}

func (p *Pace) queue() *Queue {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := &Queue{pace: p}
	p.queues = append(p.queues, q)
	return q
}

// NewPace returns a Pace of at most so many requests, DefaultConcurrency if zero. observe is
// called with every answer, with code 0 if there was none; it may be nil.
func NewPace(most int, observe func(verb string, code int)) *Pace {
	if most <= 0 {
		most = DefaultConcurrency
	}
	return &Pace{most: most, limit: most, observe: observe}
}

// Most returns how many requests are under way at once at the most.
func (p *Pace) Most() int { return p.most }

// Acquire waits for its turn; the returned function ends it.
func (q *Queue) Acquire(ctx context.Context) (func(), error) {
	p := q.pace
	p.mu.Lock()
	if p.active < p.limit {
		p.active++
		p.mu.Unlock()
		return p.release, nil
	}
	turn := make(chan struct{})
	q.waiting = append(q.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return p.release, nil
	case <-ctx.Done():
		q.leave(turn)
		return nil, context.Cause(ctx)
	}
}

// leave gives up waiting; if the turn has come meanwhile, the next one gets it.
func (q *Queue) leave(turn chan struct{}) {
	p := q.pace
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(q.waiting, turn); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
		return
	}
	p.active--
	p.next()
}

func (p *Pace) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.active--
	p.next()
}

// next lets in who waits, one queue after the other; p.mu is held.
func (p *Pace) next() {
	for p.active < p.limit {
		q := p.nextQueue()
		if q == nil {
			return
		}
		close(q.waiting[0])
		q.waiting = q.waiting[1:]
		p.active++
	}
}

func (p *Pace) nextQueue() *Queue {
	for range p.queues {
		p.last = (p.last + 1) % len(p.queues)
		if q := p.queues[p.last]; len(q.waiting) > 0 {
			return q
		}
	}
	return nil
}

// between is the time between two halvings: answers to what was sent before the
// first one say nothing about it.
const between = time.Second

func (p *Pace) answered(code int, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if code == http.StatusTooManyRequests {
		if p.good = 0; now.Sub(p.halved) >= between {
			p.limit, p.halved = max(1, p.limit/2), now
		}
		return
	}
	if p.good++; p.good >= p.limit && p.limit < p.most {
		p.limit, p.good = p.limit+1, 0
		p.next()
	}
}

// wrap has answers observed.
func (p *Pace) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		code := 0
		if err == nil {
			code = resp.StatusCode
			p.answered(code, time.Now())
		}
		if p.observe != nil {
			p.observe(r.Method, code)
		}
		return resp, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
