package git

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// stalledError says that a server went silent in the middle of a fetch.
type stalledError struct{ after time.Duration }

// Error says for how long it was waited.
func (e *stalledError) Error() string {
	return fmt.Sprintf("the server sent nothing for %s in the middle of a fetch: it was given up, and will be tried again", e.after)
}

// watch ends a context when nothing comes for a while, and tells before of the silence.
type watch struct {
	timer, early *time.Timer
	after, soon  time.Duration
	last         atomic.Int64 // when something came last

	mu    sync.Mutex
	ended bool // of the silence nothing is told any more
}

// soonest is how long a server is silent before that is told.
const soonest = 5 * time.Second

type watchKey struct{}

// withWatch returns a context that ends when moved is not called for a while; silent is
// called once before that, with the time since when nothing came. The function ends the
// watch.
func withWatch(ctx context.Context, after time.Duration, silent func(since time.Time)) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{after: after, soon: min(soonest, after/2)}
	w.last.Store(time.Now().UnixNano())
	w.timer = time.AfterFunc(after, func() { cancel(&stalledError{after}) })
	w.early = time.AfterFunc(w.soon, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if !w.ended {
			silent(time.Unix(0, w.last.Load()))
		}
	})
	return context.WithValue(ctx, watchKey{}, w), func() { w.rest(); cancel(nil) }
}

// watchOf returns a context's watch, or nil.
func watchOf(ctx context.Context) *watch {
	w, _ := ctx.Value(watchKey{}).(*watch)
	return w
}

// moved has a watch begin anew.
func (w *watch) moved() {
	if w == nil || !w.timer.Stop() {
		return
	}
	w.last.Store(time.Now().UnixNano())
	w.timer.Reset(w.after)
	if w.early.Stop() { // else it was told
		w.early.Reset(w.soon)
	}
}

// rest ends a watch: what follows is done on this machine.
func (w *watch) rest() {
	if w != nil {
		w.timer.Stop()
		w.early.Stop()
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = true
	}
}

// watched tells a watch of what is read.
type watched struct {
	io.ReadCloser
	by *watch
}

// Read reads, and says so.
func (r *watched) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if n > 0 {
		r.by.moved()
	}
	return n, err
}
