package agent

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

// inbox is what others tell the loop of an environment: fetches, watches, people. It only
// takes notes and asks for a look; what follows from them the loop decides. It is safe for
// concurrent use.
type inbox struct {
	wake chan struct{} // a look is asked for; capacity one

	mu          sync.Mutex
	head        source.Head
	gone        string                  // why there is no head, as it was told last
	nudged      bool                    // a look is asked for soon
	control     ledger.Control          // what people ask for
	stirred     map[string]bool         // what the environment refers to in the cluster that changed since it was read
	stopReading context.CancelCauseFunc // ends the reading and rendering of a head
	ended       int                     // how many of these newer heads ended in a row
}

func newInbox() *inbox {
	i := &inbox{wake: make(chan struct{}, 1)}
	i.forget()
	return i
}

// forget drops what was told of the cluster: another leader may have changed it.
func (i *inbox) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stirred, i.control = map[string]bool{}, ledger.Control{}
	i.stopReading, i.ended = func(error) {}, 0
}

// trigger asks for a look.
func (i *inbox) trigger() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// nudgePause is how long news of health may wait to be told: a rollout brings
// many at once.
const nudgePause = 500 * time.Millisecond

// nudge asks for a look soon.
func (i *inbox) nudge() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.nudged {
		return
	}
	i.nudged = true
	time.AfterFunc(nudgePause, func() {
		i.mu.Lock()
		i.nudged = false
		i.mu.Unlock()
		i.trigger()
	})
}

// arrive takes note of the ref's head. A new one ends the reading of the old, but for one
// that is not trusted. What is under way goes on until the new one is read: it may leave
// that as it is.
func (i *inbox) arrive(head source.Head) {
	i.mu.Lock()
	isNew := head.SHA != i.head.SHA || reason(head.Untrusted) != reason(i.head.Untrusted)
	i.head = head
	if isNew && head.Untrusted == nil {
		i.stopReading(errSuperseded)
	}
	i.mu.Unlock()
	if isNew {
		i.trigger()
	}
}

// goneFor takes note of why there is no head, and reports whether that is news.
func (i *inbox) goneFor(why string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	told := i.gone
	i.gone = why
	return why != told
}

// mistrustHead has the loop wait for the next fetch: who led before may have gone on to a
// newer head than this process has heard of.
func (i *inbox) mistrustHead() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.head = source.Head{}
}

func (i *inbox) headNow() source.Head {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.head
}

// mostEnded is how many readings newer heads end before one goes on to its end: where
// commits come faster than they are rendered, none would be carried out, and no drift put
// back.
const mostEnded = 3

// reading returns a context that ends when the head is not the newest any more, and
// what ends it.
func (i *inbox) reading(ctx context.Context, head source.Head) (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.ended >= mostEnded {
		i.stopReading = func(error) {}
		return ctx, stop
	}
	i.stopReading = stop
	if i.head.SHA != head.SHA && i.head.Untrusted == nil {
		stop(errSuperseded)
	}
	return ctx, stop
}

// readEnded counts how many readings in a row a newer head ended.
func (i *inbox) readEnded(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if errors.Is(err, rollout.ErrInterrupted) {
		i.ended++
	} else {
		i.ended = 0
	}
}

// stir takes note that something is another than it was, which the environment refers to in
// the cluster.
func (i *inbox) stir(names ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, n := range names {
		i.stirred[n] = true
	}
}

// anyStirred reports whether something stirred that was not taken yet.
func (i *inbox) anyStirred() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.stirred) > 0
}

// takeStirred returns what stirred since it was last asked, sorted.
func (i *inbox) takeStirred() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := slices.Sorted(maps.Keys(i.stirred))
	clear(i.stirred)
	return out
}

func (i *inbox) controlNow() ledger.Control {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.control
}

// instruct takes note of what people ask for, and returns what they asked for before.
func (i *inbox) instruct(control ledger.Control) ledger.Control {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.control
	i.control = control
	return before
}

// requestNow tells the last request to look at once from those before; empty without
// one.
func (i *inbox) requestNow() string {
	return i.controlNow().Request()
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
