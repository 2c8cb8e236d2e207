// Package inbox is the input of an environment's loop: heads that were fetched, changes that
// watches saw, requests by people.
//
// It does not know what follows from that: it keeps the newest of each, and wakes the loop.
package inbox

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/source"
)

// Inbox holds what was told since the loop last asked. It is safe for concurrent use, and calls
// nobody while it holds its lock.
type Inbox struct {
	wake chan struct{} // a pass is asked for; capacity one

	mu          sync.Mutex
	head        source.Head
	missing     string                  // why there is no head, as it was told last
	soon        bool                    // a pass will be asked for in a moment
	control     ledger.Control          // what people ask for
	references  map[string]bool         // that changed in the cluster since they were read
	stopReading context.CancelCauseFunc // ends the reading and rendering of a head
	superseded  int                     // how many readings in a row a newer head ended
}

// New returns an empty Inbox.
func New() *Inbox {
	i := &Inbox{wake: make(chan struct{}, 1)}
	i.Forget()
	return i
}

// Forget drops what was told of the cluster: another leader may have changed it.
func (i *Inbox) Forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.references, i.control = map[string]bool{}, ledger.Control{}
	i.stopReading, i.superseded = func(error) {}, 0
}

// Wake receives whenever a pass was asked for since it last received.
func (i *Inbox) Wake() <-chan struct{} { return i.wake }

// Trigger asks for a pass.
func (i *Inbox) Trigger() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// soonPause is how long news of health may wait: a rollout brings many at once.
const soonPause = 500 * time.Millisecond

// TriggerSoon asks for a pass in a moment, one for all that ask meanwhile.
func (i *Inbox) TriggerSoon() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.soon {
		return
	}
	i.soon = true
	time.AfterFunc(soonPause, func() {
		i.mu.Lock()
		i.soon = false
		i.mu.Unlock()
		i.Trigger()
	})
}

// SetHead enters the ref's head. A new head ends the reading of the old one, unless the new one
// is not trusted. A deploy under way goes on until the new head is read: it may leave that as it
// is.
func (i *Inbox) SetHead(head source.Head) {
	i.mu.Lock()
	isNew := head.SHA != i.head.SHA || Reason(head.Untrusted) != Reason(i.head.Untrusted)
	i.head = head
	if isNew && head.Untrusted == nil {
		i.stopReading(rollout.ErrSuperseded)
	}
	i.mu.Unlock()
	if isNew {
		i.Trigger()
	}
}

// SetMissing enters why there is no head; empty if there is one. It reports whether that is news.
func (i *Inbox) SetMissing(why string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.missing
	i.missing = why
	return why != before
}

// DropHead has the loop wait for the next fetch: the leader before may have gone on to a newer
// head than this process has heard of.
func (i *Inbox) DropHead() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.head = source.Head{}
}

// Head returns the newest head; its SHA is empty if there is none.
func (i *Inbox) Head() source.Head {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.head
}

// maxSuperseded is how many readings in a row newer heads end before one is read to its end:
// where commits come faster than they are rendered, none would be deployed, and no drift
// corrected.
const maxSuperseded = 3

// Reading returns a context that ends when the head is not the newest any more, and a function
// that ends it.
func (i *Inbox) Reading(ctx context.Context, head source.Head) (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.superseded >= maxSuperseded {
		i.stopReading = func(error) {}
		return ctx, stop
	}
	i.stopReading = stop
	if i.head.SHA != head.SHA && i.head.Untrusted == nil {
		stop(rollout.ErrSuperseded)
	}
	return ctx, stop
}

// ReadingEnded counts how many readings in a row a newer head ended.
func (i *Inbox) ReadingEnded(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if errors.Is(err, rollout.ErrInterrupted) {
		i.superseded++
	} else {
		i.superseded = 0
	}
}

// AddReferences enters objects in the cluster that the environment refers to, and that changed.
func (i *Inbox) AddReferences(names ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, n := range names {
		i.references[n] = true
	}
}

// AnyReferences reports whether a reference changed since TakeReferences.
func (i *Inbox) AnyReferences() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.references) > 0
}

// TakeReferences returns the references that changed since it was last called, sorted.
func (i *Inbox) TakeReferences() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := slices.Sorted(maps.Keys(i.references))
	clear(i.references)
	return out
}

// Control returns what people ask for.
func (i *Inbox) Control() ledger.Control {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.control
}

// SetControl enters what people ask for, and returns what they asked for before.
func (i *Inbox) SetControl(control ledger.Control) ledger.Control {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.control
	i.control = control
	return before
}

// Request tells the last request to sync from those before; empty if there was none.
func (i *Inbox) Request() string { return i.Control().Request() }

// Reason returns an error's text; empty if it is nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
