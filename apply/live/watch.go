package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/render/manifest"
)

type watchKey struct {
	schema.GroupVersionKind
	namespace string
}

// watch follows the environment's objects of one kind in one namespace. The
// informer lists and watches again for ever, with a backoff of up to half a minute;
// bookmarks and expired resource versions are its business.
type watch struct {
	key      watchKey
	informer cache.SharedIndexInformer
	cancel   context.CancelFunc
	answered func(error) // told of every list and watch that was sent

	mu     sync.Mutex
	err    error // of the last try; nil if it went well
	fell   error // why a stream ended last
	since  time.Time
	told   bool // that nothing can be said of its objects
	failed chan struct{}
}

// unwatchableAfter is how long a watch may fail, for whatever reason, until its objects
// are said to be unknown. A permission that is gone does not come back by waiting,
// and is told at once.
const unwatchableAfter = 30 * time.Second

func newWatch(key watchKey, api dynamic.ResourceInterface, client dynamic.Interface, selector string) *watch {
	w := &watch{key: key, failed: make(chan struct{}, 1)}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = selector
			list, err := api.List(ctx, o)
			w.answer(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.LabelSelector = selector
			stream, err := api.Watch(ctx, o)
			w.answer(ctx, err)
			return stream, err
		},
	}
	// Streamed if the server can, so that the first list is never there as a whole
	// (https://kubernetes.io/docs/reference/using-api/api-concepts/#streaming-lists).
	w.informer = cache.NewSharedIndexInformerWithOptions(cache.ToListWatcherWithWatchListSemantics(lw, client),
		&unstructured.Unstructured{}, cache.SharedIndexInformerOptions{ObjectDescription: key.GroupVersionKind.String()})
	return w
}

// answer takes note of how a request ended. That a resource version expired, or is
// not there yet, is no trouble: what follows is a new list.
func (w *watch) answer(ctx context.Context, err error) {
	if ctx.Err() != nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.IsTimeout(err) {
		return
	}
	w.mu.Lock()
	if err != nil && w.err == nil {
		w.since = time.Now()
	}
	w.err = err
	w.mu.Unlock()
	if err != nil {
		Signal(w.failed)
	}
	w.answered(err)
}

// unwatchable returns an error when it is not known any more what the watched objects
// are like.
func (w *watch) unwatchable(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil || !apierrors.IsForbidden(w.err) && now.Sub(w.since) < unwatchableAfter {
		return nil
	}
	return &UnwatchableError{Kind: w.key.GroupKind(), Namespace: w.key.namespace, Since: w.since.UTC().Truncate(time.Second), err: w.err}
}

// turned reports whether a watch has become blind, or sees again, since it was last
// asked.
func (w *watch) turned(now time.Time) bool {
	blind := w.unwatchable(now) != nil
	w.mu.Lock()
	defer w.mu.Unlock()
	turned := blind != w.told
	w.told = blind
	return turned
}

// UnwatchableError says that objects can't be watched, so that nothing is known of them.
type UnwatchableError struct {
	Kind      schema.GroupKind
	Namespace string
	Since     time.Time
	err       error
}

// Error says what can't be watched, since when and why.
func (e *UnwatchableError) Error() string {
	return fmt.Sprintf("%s in namespace %q can't be watched since %s: %v", e.Kind, e.Namespace, e.Since.Format(time.RFC3339), e.err)
}

// Unwrap returns the API server's answer.
func (e *UnwatchableError) Unwrap() error { return e.err }

// synced waits until what exists is known.
func (w *watch) synced(ctx context.Context) error {
	for {
		select {
		case <-w.informer.HasSyncedChecker().Done():
			return w.unwatchable(time.Now())
		default:
		}
		if err := w.trouble(); err != nil {
			return err
		}
		select {
		case <-w.informer.HasSyncedChecker().Done():
		case <-w.failed:
		case <-ctx.Done():
			if fell := w.broke(nil); fell != nil {
				return fmt.Errorf("%w: %w", context.Cause(ctx), fell)
			}
			return context.Cause(ctx)
		}
	}
}

// broke takes note of why a stream of events ended, if that is known, and returns the last
// reason: what a server begins to answer it may break off, and say so within.
func (w *watch) broke(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.fell = err
	}
	return w.fell
}

func (w *watch) trouble() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *watch) get(id manifest.ID) *cachedObject {
	key := id.Name
	if id.Namespace != "" {
		key = id.Namespace + "/" + id.Name
	}
	o, ok, err := w.informer.GetStore().GetByKey(key)
	if err != nil || !ok {
		return nil
	}
	k, _ := o.(*cachedObject)
	return k
}
