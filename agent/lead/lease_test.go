package lead

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/kube"
)

// A stranger that has the Lease is told of at once, and given up when it is kept; another
// replica is no trouble, whatever its clock says.
func TestWhoElseHasTheLease(t *testing.T) {
	now := time.Now()
	failed := 0
	c := &Candidate{Environment: "prod", Log: slog.New(slog.DiscardHandler), Now: time.Now, Failed: func() { failed++ }}
	c.others(&kube.Lease{Holder: "two", Renewed: now.Add(time.Hour)}, true)
	if err := c.Trouble(); err != nil || failed != 0 {
		t.Error(err, failed)
	}
	c.others(&kube.Lease{Holder: "evil", Renewed: now, Stranger: true}, true)
	if err := c.Trouble(); failed != 1 || err == nil || !strings.Contains(err.Error(), `environment prod: nobody leads it: its Lease names "evil", which no agent wrote there`) {
		t.Error(err, failed)
	}
	if c.hopeless() {
		t.Error("it is given up at once")
	}
	c.trouble.kept = now.Add(-2 * leaseDuration)
	if !c.hopeless() {
		t.Error("it is waited for without end")
	}
	c.failed(nil)
	if err := c.Trouble(); err != nil || c.hopeless() {
		t.Error(err)
	}
}

// What keeps a process from its Lease is logged once, however the connection breaks, and again
// when the API server says another thing.
func TestTroubleWithTheLeaseIsLoggedOnce(t *testing.T) {
	var log strings.Builder
	c := &Candidate{Environment: "prod", Log: slog.New(slog.NewTextHandler(&log, nil)), Now: time.Now, Failed: func() {}}
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "tether-prod", errors.New("no"))
	for i, err := range []error{errors.New("read tcp 127.0.0.1:50160->127.0.0.1:6443: connection reset"), errors.New("read tcp 127.0.0.1:50162->127.0.0.1:6443: connection reset"),
		errors.New("unexpected EOF"), forbidden, fmt.Errorf("again: %w", forbidden), nil, errors.New("unexpected EOF")} {
		c.failed(err)
		want := []int{1, 1, 1, 2, 3, 3, 4}[i] // what wraps an answer says another thing
		if n := strings.Count(log.String(), "the Lease can't be had"); n != want {
			t.Errorf("after %v it is logged %d times, not %d", err, n, want)
		}
	}
}

func TestALeaseThatIsNotBelieved(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for sentence, c := range map[string]struct {
		lease kube.Lease
		lasts bool
		doubt string
	}{
		"renewed just now":          {kube.Lease{Holder: "a", Renewed: now, Until: now.Add(kube.LeaseDuration)}, true, ""},
		"renewed a while ago":       {kube.Lease{Holder: "a", Renewed: now.Add(-time.Minute), Until: now.Add(-50 * time.Second)}, false, ""},
		"renewed by a clock before": {kube.Lease{Holder: "a", Renewed: now.Add(5 * time.Second), Until: now.Add(15 * time.Second)}, true, ""},
		"renewed in another year":   {kube.Lease{Holder: "a", Renewed: now.AddDate(9, 0, 0), Until: now.AddDate(9, 0, 1)}, false, "still to come"},
		"given back":                {kube.Lease{}, false, ""},
		"named by who is no agent":  {kube.Lease{Holder: "a", Renewed: now, Until: now.Add(kube.LeaseDuration), Stranger: true}, true, "which no agent wrote there"},
	} {
		if lasts := c.lease.Lasts(now); lasts != c.lasts {
			t.Errorf("%s: it lasts: %t", sentence, lasts)
		}
		if text := Doubt(&c.lease, now); (text == "") != (c.doubt == "") || !strings.Contains(text, c.doubt) {
			t.Errorf("%s: %q", sentence, text)
		}
	}
}

// A leader that could not renew its Lease leads no longer than it may write, though the elector
// still waits for an answer; one that renews it, or gives it back, is not told.
func TestALeadEndsWhenItsLeaseExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lock := &observedLock{renewed: time.Now()}
		var lost atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		go lock.expires(ctx, func() { lost.Add(1) })
		for range 3 {
			time.Sleep(writeFor - time.Second)
			lock.mu.Lock()
			lock.renewed = time.Now()
			lock.mu.Unlock()
		}
		time.Sleep(writeFor - time.Second)
		synctest.Wait()
		if lost.Load() != 0 {
			t.Fatal("it is lost though it was renewed")
		}
		time.Sleep(time.Second + 2*time.Millisecond)
		synctest.Wait()
		if lost.Load() != 1 {
			t.Errorf("it is lost %d times", lost.Load())
		}
		cancel()

		lock = &observedLock{renewed: time.Now()}
		ctx, cancel = context.WithCancel(t.Context())
		go lock.expires(ctx, func() { lost.Add(1) })
		cancel()
		time.Sleep(2 * writeFor)
		synctest.Wait()
		if lost.Load() != 1 {
			t.Error("a lead that had ended is lost")
		}
	})
}
