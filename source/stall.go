package source

import (
	"context"
	"fmt"
	"io"
	"time"
)

// stalledError says that a server went silent in the middle of a fetch.
type stalledError struct{ after time.Duration }

// Error says for how long it was waited.
func (e *stalledError) Error() string {
	return fmt.Sprintf("the server sent nothing for %s in the middle of a fetch: it was given up, and will be tried again", e.after)
}

// watch ends a context when nothing comes for a while.
type watch struct {
	timer *time.Timer
	after time.Duration
}

type watchKey struct{}

// withWatch returns a context that ends when moved is not called for a while. The
// function ends the watch.
func withWatch(ctx context.Context, after time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{after: after, timer: time.AfterFunc(after, func() { cancel(&stalledError{after}) })}
	return context.WithValue(ctx, watchKey{}, w), func() { w.timer.Stop(); cancel(nil) }
}

// watchOf returns a context's watch, or nil.
func watchOf(ctx context.Context) *watch {
	w, _ := ctx.Value(watchKey{}).(*watch)
	return w
}

// moved has a watch begin anew.
func (w *watch) moved() {
	if w != nil && w.timer.Stop() {
		w.timer.Reset(w.after)
	}
}

// rest ends a watch: what follows is done on this machine.
func (w *watch) rest() {
	if w != nil {
		w.timer.Stop()
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
