package lead

import (
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/xetys/tether/apply/kube"
)

// trouble is what keeps a process from its Lease. It is logged once, and again when it is
// another trouble.
type trouble struct {
	mu   sync.Mutex
	said string
	kind string    // of what was said
	time time.Time // since when no attempt went well
	held string    // who has the Lease and is no agent
	kept time.Time // since when that is so
}

// others enters another process that has the Lease, which may be no agent.
func (c *Candidate) others(lease *kube.Lease, taken bool) {
	t := &c.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.held
	if t.held = ""; lease.Stranger {
		t.held = Doubt(lease, c.Now())
	} // a replica whose clock is wrong leads all the same
	if t.held == "" {
		if taken {
			c.Log.Warn("another replica has the Lease", "holder", lease.Holder)
		}
		return
	}
	c.Failed()
	if before == "" {
		t.kept = time.Now()
	}
	if taken || t.held != before {
		c.Log.Error("the Lease is not an agent's: nobody leads the environment", "reason", t.held, "lost", taken)
	}
}

// Doubt says of a Lease why its holder is not believed to lead; empty of another.
func Doubt(lease *kube.Lease, now time.Time) string {
	switch {
	case lease.Stranger:
		return fmt.Sprintf("its Lease names %q, which no agent wrote there; an agent takes it back %s after it was last changed", lease.Holder, leaseDuration)
	case lease.InFuture(now):
		return fmt.Sprintf("its Lease says that %q renewed it at %s, which is still to come, unless a clock is wrong; an agent takes it back %s after it was last changed",
			lease.Holder, lease.Renewed.UTC().Format(time.RFC3339), leaseDuration)
	}
	return ""
}

func (c *Candidate) failed(err error) {
	t := &c.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		if t.said+t.held != "" {
			c.Log.Info("the Lease can be had again")
		}
		t.said, t.kind, t.held, t.time = "", "", "", time.Time{}
		return
	}
	c.Failed()
	if t.time.IsZero() {
		t.time = time.Now()
	}
	t.said = err.Error()
	if kind := kindOf(err); kind != t.kind {
		t.kind = kind
		c.Log.Error("the Lease can't be had: nobody leads the environment unless another process does", "error", err)
	}
}

// kindOf tells one trouble from another: by what the API server says, or as no answer. How a
// connection breaks is told differently each time, with another port.
func kindOf(err error) string {
	var answer apierrors.APIStatus
	if errors.As(err, &answer) {
		return err.Error()
	}
	return "no answer"
}

// hopeless reports whether there is no use in waiting for the Lease.
func (c *Candidate) hopeless() bool {
	t := &c.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.said != "" && time.Since(t.time) >= leaseDuration || t.held != "" && time.Since(t.kept) >= 2*leaseDuration
}

// Trouble returns why the Lease can't be had, if that has been so for longer than a Lease
// lasts.
func (c *Candidate) Trouble() error {
	t := &c.trouble
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held != "" {
		return fmt.Errorf("environment %s: nobody leads it: %s", c.Environment, t.held)
	}
	if t.said == "" || time.Since(t.time) < leaseDuration {
		return nil
	}
	return fmt.Errorf("environment %s: the Lease can't be had: %s", c.Environment, t.said)
}
