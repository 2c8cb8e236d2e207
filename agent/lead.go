package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/leaderelection"

	"github.com/xetys/tether/agent/ledger"
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

// lead runs work whenever this process leads the environment, until ctx ends.
// Leadership that is lost cancels work's context, and work has returned before
// leadership is sought again.
func (e *environment) lead(ctx context.Context, work func(context.Context)) error {
	for ctx.Err() == nil {
		if err := e.cluster.EnsureHome(ctx, e.agent.opts.Namespace); err != nil {
			e.lease.failed(err)
		} else if err := e.term(ctx, work); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPeriod):
		}
	}
	return nil
}

// term is one leadership, from standing for it until it ends. When ctx ends,
// work ends first, and then the Lease is given back: two never write at once. Nothing is
// written while the Lease is older than it may be, whatever runs still.
func (e *environment) term(ctx context.Context, work func(context.Context)) error {
	office, resign := context.WithCancel(context.WithoutCancel(ctx))
	defer resign()
	var worker termWorker
	name, namespace, identity := ledger.Name(e.name), e.agent.opts.Namespace, e.agent.opts.Identity // who holds the Lease is the only writer
	lock := &observedLock{Interface: e.cluster.Lock(namespace, name, identity), failed: e.lease.failed, taken: resign, others: e.lease.others,
		read: func(ctx context.Context) (*kube.Lease, error) { return e.cluster.ReadLease(ctx, namespace, name) }}
	e.cluster.Fence(lock.check)
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
				e.agent.turned(e, true)
				work(leading)
				resign()
			},
			OnStoppedLeading: func() { e.agent.turned(e, false) },
		},
	})
	if err != nil {
		return fmt.Errorf("elect a leader of environment %s: %w", e.name, err)
	}
	defer context.AfterFunc(ctx, func() {
		if worker.idle() {
			resign()
		}
	})()
	elector.Run(office)
	worker.wait()
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
