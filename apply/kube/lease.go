package kube

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/xetys/tether/apply/ownership"
)

// LeaseDuration is how long a Lease lasts after it was renewed, whatever it says itself.
const LeaseDuration = 10 * time.Second

// labelHolder is on every Lease that an agent wrote, and goes with the holder: one that
// somebody else overwrote does not have the label of the holder that it names.
const labelHolder = ownership.Group + "/holder"

func holderLabel(identity string) string {
	sum := sha256.Sum256([]byte(identity))
	return hex.EncodeToString(sum[:8])
}

// Lock returns the Lease by which replicas of the agent elect who leads an
// environment.
func (c *Connection) Lock(namespace, name, identity string) resourcelock.Interface {
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: name},
		Client:     c.client.own.unfenced.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		Labels:     map[string]string{labelHolder: holderLabel(identity)},
	}
}

// Lease is who leads, as a Lease says.
type Lease struct {
	Holder  string    // empty if nobody has it: it was given back
	Renewed time.Time // zero if it never was
	Until   time.Time // until when it lasts, unless it is renewed
	// Stranger says that no agent gave it to the holder.
	Stranger bool
}

// Lasts reports whether somebody holds the Lease at now.
func (l *Lease) Lasts(now time.Time) bool {
	return l != nil && l.Holder != "" && !now.After(l.Until) && !l.InFuture(now)
}

// InFuture reports whether a Lease was renewed at a time in the future: its holder wants to
// keep it for longer, or has a wrong clock.
func (l *Lease) InFuture(now time.Time) bool {
	return l != nil && l.Renewed.After(now.Add(LeaseDuration))
}

// ReadLease reads a Lease; nil if it does not exist.
func (c *Connection) ReadLease(ctx context.Context, namespace, name string) (*Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	lease, err := c.client.own.typed.CoordinationV1().Leases(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Lease %s/%s: %w", namespace, name, err)
	}
	s, out := lease.Spec, &Lease{}
	if s.HolderIdentity == nil || *s.HolderIdentity == "" {
		return out, nil
	}
	out.Holder, out.Stranger = *s.HolderIdentity, lease.Labels[labelHolder] != holderLabel(*s.HolderIdentity)
	if s.RenewTime != nil && s.LeaseDurationSeconds != nil {
		out.Renewed = s.RenewTime.Time
		out.Until = out.Renewed.Add(min(time.Duration(*s.LeaseDurationSeconds)*time.Second, LeaseDuration))
	}
	return out, nil
}
