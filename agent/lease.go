package agent

import (
	"context"
	"errors"
	"fmt"
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
	// What another process wrote counts for as long as replicas have agreed on, from when
	// this one saw it: whatever it says of times, it ends.
	record.LeaseDurationSeconds = min(record.LeaseDurationSeconds, int(leaseDuration/time.Second))
	if record.LeaderTransitions >= math.MaxInt32 {
		record.LeaderTransitions = 0 // the API has no larger number
	}
	l.look(ctx, record.HolderIdentity)
	return record, raw, nil
}

// look takes note of who has the Lease. One that another process has ends this one's lead
// at once.
func (l *observedLock) look(ctx context.Context, holder string) {
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
	held string    // who has the Lease and is no agent
	kept time.Time // since when that is so
}

// others takes note of another process that has the Lease, which may be no agent.
func (t *troubleSaid) others(lease *kube.Lease, taken bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.held
	if t.held = ""; lease.Stranger {
		t.held = doubt(lease, t.e.agent.opts.Now())
	} // a replica whose clock is wrong leads all the same
	if t.held == "" {
		if taken {
			t.e.log.Warn("another replica has the Lease", "holder", lease.Holder)
		}
		return
	}
	t.e.agent.metrics.LeaseFailed(t.e.name)
	if before == "" {
		t.kept = time.Now()
	}
	if taken || t.held != before {
		t.e.log.Error("the Lease is not an agent's: nobody leads the environment", "reason", t.held, "lost", taken)
	}
}

// doubt says of a Lease why its holder is not believed to lead; empty of another.
func doubt(lease *kube.Lease, now time.Time) string {
	switch {
	case lease.Stranger:
		return fmt.Sprintf("its Lease names %q, which no agent wrote there; an agent takes it back %s after it was last changed", lease.Holder, leaseDuration)
	case lease.ToCome(now):
		return fmt.Sprintf("its Lease says that %q renewed it at %s, which is still to come, unless a clock is wrong; an agent takes it back %s after it was last changed",
			lease.Holder, lease.Renewed.UTC().Format(time.RFC3339), leaseDuration)
	}
	return ""
}

func (t *troubleSaid) failed(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		if t.said+t.held != "" {
			t.e.log.Info("the Lease can be had again")
		}
		t.said, t.held, t.time = "", "", time.Time{}
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

// hopeless reports whether there is no use in waiting for the Lease.
func (t *troubleSaid) hopeless() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.said != "" && time.Since(t.time) >= leaseDuration || t.held != "" && time.Since(t.kept) >= 2*leaseDuration
}

// trouble returns why the Lease can't be had, if that has been so for longer than a Lease
// lasts.
func (t *troubleSaid) trouble() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held != "" {
		return fmt.Errorf("environment %s: nobody leads it: %s", t.e.name, t.held)
	}
	if t.said == "" || time.Since(t.time) < leaseDuration {
		return nil
	}
	return fmt.Errorf("environment %s: the Lease can't be had: %s", t.e.name, t.said)
}
