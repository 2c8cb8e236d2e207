package lead

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/xetys/tether/apply/kube"
)

// observedLock is a Lease that remembers when this process last renewed it, and what kept
// it from that. The elector keeps both to itself.
type observedLock struct {
	resourcelock.Interface
	failed func(error)                         // told of each attempt that ended with an error, nil for one that did not
	taken  func()                              // told that another process has the Lease that this one had
	others func(lease *kube.Lease, taken bool) // told of another process that has it, once for each
	read   func(context.Context) (*kube.Lease, error)

	mu      sync.Mutex
	renewed time.Time // when the request of the last renewal was sent; zero before the first
	known   string    // who else has it
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
		return record, raw, err
	}
	// Another process's Lease counts from when this one saw it, for the duration that replicas
	// have agreed on: it ends, whatever it says of times.
	record.LeaseDurationSeconds = min(record.LeaseDurationSeconds, int(leaseDuration/time.Second))
	if record.LeaderTransitions >= math.MaxInt32 {
		record.LeaderTransitions = 0 // the API has no larger number
	}
	l.observe(ctx, record.HolderIdentity)
	return record, raw, nil
}

// observe enters who has the Lease. One that another process has ends this one's lead
// at once.
func (l *observedLock) observe(ctx context.Context, holder string) {
	other := holder != "" && holder != l.Identity()
	l.mu.Lock()
	again := holder == l.known
	if l.known = ""; other {
		l.known = holder
	}
	had := other && !l.renewed.IsZero()
	if had {
		l.renewed = time.Time{}
	}
	l.mu.Unlock()
	if had {
		l.taken()
	}
	if !other || again && !had {
		return
	}
	lease, err := l.read(context.WithoutCancel(ctx)) // the term may have ended just now
	if err != nil || lease == nil || lease.Holder != holder {
		l.mu.Lock()
		l.known = "" // the next look asks again
		l.mu.Unlock()
		return
	}
	l.others(lease, had)
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
		l.renewed, l.known = sent, ""
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

// expires calls lost once the Lease was not renewed for as long as a leader may write, unless ctx
// ends before. The elector may notice it later: it tries to give back what it could not renew,
// and waits for an answer.
func (l *observedLock) expires(ctx context.Context, lost func()) {
	for l.check() == nil {
		l.mu.Lock()
		left := writeFor - time.Since(l.renewed)
		l.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(left, 0) + time.Millisecond):
		}
	}
	if ctx.Err() == nil {
		lost()
	}
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
