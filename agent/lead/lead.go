// Package lead makes one process at a time the leader of an environment: it tries to get the
// environment's Lease, renews it, and runs the work while it holds it.
//
// It does not know what the work is.
package lead

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
)

// The Lease's times. A replica looks at the Lease every one to 2.2 retry periods
// (client-go's jitter), so a leader that is killed is followed after leaseDuration
// and twice that at the most: 16.6 s. One that stops gives its Lease back at once.
const (
	leaseDuration = kube.LeaseDuration
	renewDeadline = 7 * time.Second
	retryPeriod   = 1500 * time.Millisecond
)

// Candidate stands for the lead of one environment: who holds its Lease is the only one
// that writes.
type Candidate struct {
	Environment string
	Namespace   string // where the Lease lies
	Identity    string // of this process
	Cluster     *apply.Cluster
	Log         *slog.Logger
	Now         func() time.Time
	Failed      func()           // counts what keeps it from the Lease
	Turned      func(leads bool) // is told when this process begins to lead, and when it ends

	trouble trouble
}

// Lead runs work whenever this process leads the environment, until ctx ends.
// Leadership that is lost cancels work's context, and work has returned before
// leadership is sought again.
func (c *Candidate) Lead(ctx context.Context, work func(context.Context)) error {
	for ctx.Err() == nil {
		if err := c.Cluster.EnsureHome(ctx, c.Namespace); err != nil {
			c.failed(err)
		} else if err := c.term(ctx, work); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPeriod):
		}
	}
	return nil
}

// Once runs work in one term, and stands for no other. Another process that leads is an
// error. It gives up once the Lease could not be had for as long as one lasts.
func (c *Candidate) Once(ctx context.Context, work func(context.Context)) error {
	lease, err := c.Cluster.ReadLease(ctx, c.Namespace, ledger.Name(c.Environment))
	if err != nil {
		return fmt.Errorf("environment %s: %w", c.Environment, err)
	}
	if lease.Lasts(c.Now()) && !lease.Stranger && lease.Holder != c.Identity {
		return fmt.Errorf("environment %s: %s leads it: stop that agent first, or leave it the work", c.Environment, lease.Holder)
	}
	if err := c.Cluster.EnsureHome(ctx, c.Namespace); err != nil {
		return fmt.Errorf("environment %s: %w", c.Environment, err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go c.giveUp(ctx, stop)
	return c.term(ctx, work)
}

// giveUp calls stop once the Lease could not be had for as long as one lasts, or was
// kept by a stranger for longer than one that nobody renews: who looks once must not wait
// for ever.
func (c *Candidate) giveUp(ctx context.Context, stop func()) {
	ticks := time.NewTicker(retryPeriod)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			if c.hopeless() {
				stop()
				return
			}
		}
	}
}

// term is one leadership, from standing for it until it ends. When ctx ends,
// work ends first, and then the Lease is given back: two never write at once. Nothing is
// written while the Lease is older than it may be, whatever runs still.
func (c *Candidate) term(ctx context.Context, work func(context.Context)) error {
	office, resign := context.WithCancel(context.WithoutCancel(ctx))
	defer resign()
	var worker termWorker
	name := ledger.Name(c.Environment)
	lock := &observedLock{Interface: c.Cluster.Lock(c.Namespace, name, c.Identity), failed: c.failed, taken: resign, others: c.others,
		read: func(ctx context.Context) (*kube.Lease, error) { return c.Cluster.ReadLease(ctx, c.Namespace, name) }}
	c.Cluster.Fence(lock.check)
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock:          lock,
		LeaseDuration: leaseDuration, RenewDeadline: renewDeadline, RetryPeriod: retryPeriod,
		Name:            name,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(leading context.Context) {
				if !worker.begin() {
					return
				}
				defer worker.end()
				leading, stop := context.WithCancel(leading)
				defer stop()
				defer context.AfterFunc(ctx, stop)()
				c.Turned(true)
				var watched sync.WaitGroup
				watched.Go(func() {
					lock.expires(leading, func() {
						c.Turned(false)
						resign()
						stop()
					})
				})
				work(leading)
				stop()
				watched.Wait() // it must not end the lead of the next term
				resign()
			},
			OnStoppedLeading: func() { c.Turned(false) },
		},
	})
	if err != nil {
		return fmt.Errorf("elect a leader of environment %s: %w", c.Environment, err)
	}
	defer context.AfterFunc(ctx, func() {
		if worker.idle() {
			resign()
		}
	})()
	elector.Run(office)
	worker.wait()
	c.Turned(false) // once more: the work may have told of what it led until it ended
	return nil
}

// termWorker keeps count of the one goroutine that the elector may start, even
// after its Run has returned.
type termWorker struct {
	mu            sync.Mutex
	begun, closed bool
	wg            sync.WaitGroup
}

func (w *termWorker) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.begun = true
	w.wg.Add(1)
	return true
}

func (w *termWorker) end() { w.wg.Done() }

// idle reports whether no work was begun, and keeps it from beginning.
func (w *termWorker) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun {
		w.closed = true
	}
	return !w.begun
}

func (w *termWorker) wait() {
	w.idle()
	w.wg.Wait()
}
