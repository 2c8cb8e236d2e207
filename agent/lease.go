package agent

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// observedLock is a Lease that remembers when this process last renewed it, and what kept
// it from that. The elector keeps both to itself.
type observedLock struct {
	resourcelock.Interface
	failed func(error) // told of each attempt that ended with an error, nil for one that did not

	mu      sync.Mutex
	renewed time.Time // when the request of the last renewal was sent; zero before the first
}

// writeFor is how long after its last renewal a leader may write. It ends before another
// process may take the Lease.
const writeFor = leaseDuration - time.Second

// errDeposed says that the Lease was not renewed in time: another process may lead.
var errDeposed = errors.New("this process may not lead any more: its Lease was not renewed in time")

// Get implements resourcelock.Interface.
func (l *observedLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	record, raw, err := l.Interface.Get(ctx)
	if err != nil {
		l.note(ctx, err)
	}
	return record, raw, err
}

// Create implements resourcelock.Interface.
func (l *observedLock) Create(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, r, l.Interface.Create)
}

// Update implements resourcelock.Interface.
func (l *observedLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	return l.write(ctx, r, l.Interface.Update)
}

func (l *observedLock) write(ctx context.Context, r resourcelock.LeaderElectionRecord, send func(context.Context, resourcelock.LeaderElectionRecord) error) error {
	sent := time.Now()
	err := send(ctx, r)
	l.note(ctx, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && r.HolderIdentity == l.Identity():
		l.renewed = sent
	case err == nil:
		l.renewed = time.Time{} // it was given back
	}
	return err
}

// note tells of a failure; a Lease that does not exist yet, or that another process wrote
// first, is none.
func (l *observedLock) note(ctx context.Context, err error) {
	if err != nil && (apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || ctx.Err() != nil) {
		return
	}
	l.failed(err)
}

// check returns errDeposed unless the Lease was renewed in time, by the monotonic clock,
// which stands still while the machine sleeps, and by the wall clock.
func (l *observedLock) check() error {
	l.mu.Lock()
	renewed := l.renewed
	l.mu.Unlock()
	now := time.Now()
	if renewed.IsZero() || now.Sub(renewed) > writeFor || now.Round(0).Sub(renewed.Round(0)) > writeFor {
		return errDeposed
	}
	return nil
}

// troubleSaid logs what keeps a process from its Lease: once, and again when it is another
// trouble.
type troubleSaid struct {
	e    *environment
	mu   sync.Mutex
	said string
	time time.Time // since when no attempt went well
}

func (t *troubleSaid) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		if t.said != "" {
			t.e.log.Info("the Lease can be had again")
		}
		t.said, t.time = "", time.Time{}
		return
	}
	t.e.agent.metrics.LeaseFailed(t.e.name)
	if t.time.IsZero() {
		t.time = time.Now()
	}
	if text := err.Error(); text != t.said {
		t.said = text
		t.e.log.Error("the Lease can't be had: nobody leads the environment unless another process does", "error", err)
	}
}

// trouble returns why the Lease can't be had, if that has been so for longer than a Lease
// lasts.
func (t *troubleSaid) trouble() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said == "" || time.Since(t.time) < leaseDuration {
		return nil
	}
	return fmt.Errorf("environment %s: the Lease can't be had: %s", t.e.name, t.said)
}
