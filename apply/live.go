package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/render/manifest"
)

// Live is the objects of one environment as the cluster has them, kept current
// by watches: one per kind and namespace, selected by label, so that nothing but
// the environment's own objects is held. It is safe for concurrent use.
//
// An object that exists without the environment's label is not seen.
type Live struct {
	cluster *Cluster
	changed Changed
	stop    context.Context
	cancel  context.CancelFunc

	mu      sync.Mutex
	watches map[watchKey]*watch
	version map[manifest.ID]string                     // of the API in which an object was last asked for
	written map[manifest.ID]*unstructured.Unstructured // answers to our writes that no watch has caught up with
	gone    map[manifest.ID]string                     // resourceVersion of the last deletion seen
	waiters map[manifest.ID]map[chan struct{}]struct{}
	fields  interned
}

// Changed is told of every event on an object of the environment; drifted says
// that the object may not be as it was left. It is called from several goroutines
// and must not block. Nil is told nothing.
type Changed func(id manifest.ID, drifted bool)

type watchKey struct {
	schema.GroupVersionKind
	namespace string
}

type watch struct {
	informer cache.SharedIndexInformer
	cancel   context.CancelFunc
	failed   chan error // the first error that no retry will mend
}

func newLive(c *Cluster, changed Changed) *Live {
	ctx, cancel := context.WithCancel(context.Background())
	return &Live{
		cluster: c, changed: changed, stop: ctx, cancel: cancel,
		watches: map[watchKey]*watch{}, version: map[manifest.ID]string{}, written: map[manifest.ID]*unstructured.Unstructured{},
		gone: map[manifest.ID]string{}, waiters: map[manifest.ID]map[chan struct{}]struct{}{},
	}
}

// Close ends all watches.
func (l *Live) Close() { l.cancel() }

// Watch makes sure that the kinds of the given objects are watched in their
// namespaces, and returns when what exists is known. Kinds that the server does
// not have are left out: there are no objects of them. From then on Get answers in
// the API version of the object that was given last.
func (l *Live) Watch(ctx context.Context, objects []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	started := map[watchKey]*watch{}
	for _, u := range objects {
		key := watchKey{u.GroupVersionKind(), u.GetNamespace()}
		l.mu.Lock()
		l.version[manifest.IDOf(u)] = key.Version
		l.mu.Unlock()
		if started[key] != nil {
			continue
		}
		w, err := l.start(key)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return err
		}
		started[key] = w
	}
	for key, w := range started {
		if err := w.synced(ctx); err != nil {
			return fmt.Errorf("watch %s in namespace %q: %w", key.GroupKind(), key.namespace, err)
		}
	}
	return nil
}

func (l *Live) start(key watchKey) (*watch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w := l.watches[key]; w != nil {
		return w, nil
	}
	mapping, err := l.cluster.mapping(key.GroupVersionKind)
	if err != nil {
		return nil, err
	}
	selector := LabelEnvironment + "=" + l.cluster.Environment
	generic := dynamicinformer.NewFilteredDynamicInformer(l.cluster.dyn, mapping.Resource, key.namespace, 0, cache.Indexers{},
		func(o *metav1.ListOptions) { o.LabelSelector = selector })
	ctx, cancel := context.WithCancel(l.stop)
	w := &watch{informer: generic.Informer(), cancel: cancel, failed: make(chan error, 1)}
	if err := errors.Join(w.informer.SetWatchErrorHandlerWithContext(w.trouble), w.informer.SetTransform(l.fields.transform)); err != nil {
		cancel()
		return nil, err
	}
	if _, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { l.event(o, false) },
		UpdateFunc: func(_, o any) { l.event(o, false) },
		DeleteFunc: func(o any) { l.event(o, true) },
	}); err != nil {
		cancel()
		return nil, err
	}
	l.watches[key] = w
	go w.informer.RunWithContext(ctx)
	return w, nil
}

// trouble keeps the first error for who waits for the watch; the informer
// itself retries for ever, with backoff.
func (w *watch) trouble(_ context.Context, _ *cache.Reflector, err error) {
	select {
	case w.failed <- err:
	default:
	}
}

func (w *watch) synced(ctx context.Context) error {
	select {
	case <-w.informer.HasSyncedChecker().Done():
		return nil
	default:
	}
	select {
	case <-w.informer.HasSyncedChecker().Done():
		return nil
	case err := <-w.failed:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Get returns the object as last seen; it must not be modified.
func (l *Live) Get(id manifest.ID) (*unstructured.Unstructured, bool) {
	l.mu.Lock()
	written := l.written[id]
	w := l.watchOf(id)
	l.mu.Unlock()
	if written != nil {
		return written, true
	}
	if w == nil {
		return nil, false
	}
	return w.get(id)
}

func (l *Live) watchOf(id manifest.ID) *watch {
	return l.watches[watchKey{id.GroupKind().WithVersion(l.version[id]), id.Namespace}]
}

func (w *watch) get(id manifest.ID) (*unstructured.Unstructured, bool) {
	key := id.Name
	if id.Namespace != "" {
		key = id.Namespace + "/" + id.Name
	}
	o, ok, err := w.informer.GetStore().GetByKey(key)
	if err != nil || !ok {
		return nil, false
	}
	u, ok := o.(*unstructured.Unstructured)
	return u, ok
}

// wrote remembers the server's answer to a write until the watch catches up.
func (l *Live) wrote(u *unstructured.Unstructured) {
	id := manifest.IDOf(u)
	l.mu.Lock()
	defer l.mu.Unlock()
	if rv, ok := l.gone[id]; ok && !older(rv, u.GetResourceVersion()) {
		return
	}
	if w := l.watchOf(id); w != nil {
		if have, ok := w.get(id); ok && !older(have.GetResourceVersion(), u.GetResourceVersion()) {
			return
		}
	}
	l.written[id] = u
}

// older reports whether resource version a is older than b. What cannot be
// compared counts as older, so that the newer answer is believed.
func older(a, b string) bool {
	c, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || c < 0
}

func (l *Live) event(o any, deleted bool) {
	if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = t.Obj
	}
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return
	}
	id := manifest.IDOf(u)
	l.mu.Lock()
	if v, known := l.version[id]; known && v != u.GroupVersionKind().Version {
		l.mu.Unlock()
		return // another watch tells it in the version that is asked for
	}
	if w := l.written[id]; w != nil && !older(u.GetResourceVersion(), w.GetResourceVersion()) {
		delete(l.written, id)
	}
	if deleted {
		l.gone[id] = u.GetResourceVersion()
	} else {
		delete(l.gone, id)
	}
	for ch := range l.waiters[id] {
		wake(ch)
	}
	l.mu.Unlock()
	if l.changed != nil {
		l.changed(id, deleted || !l.cluster.asLeft(id, u))
	}
}

// touch has an object that is known looked at anew.
func (l *Live) touch(id manifest.ID) {
	l.mu.Lock()
	_, known := l.version[id]
	l.mu.Unlock()
	if known && l.changed != nil {
		l.changed(id, true)
	}
}

// subscribe returns a channel that holds one token whenever one of some objects
// changed since it was last drained; the function ends the subscription.
func (l *Live) subscribe(ids []manifest.ID) (chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		if l.waiters[id] == nil {
			l.waiters[id] = map[chan struct{}]struct{}{}
		}
		l.waiters[id][ch] = struct{}{}
	}
	return ch, func() { l.unsubscribe(ids, ch) }
}

func (l *Live) unsubscribe(ids []manifest.ID, ch chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		delete(l.waiters[id], ch)
		if len(l.waiters[id]) == 0 {
			delete(l.waiters, id)
		}
	}
}

func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// errGone is returned while waiting for an object that somebody deletes.
var errGone = errors.New("the object was deleted by somebody else")
