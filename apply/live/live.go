// Package live is a cache of an environment's objects, kept current by watches. It also remembers
// how each object looked after the agent's last write.
//
// It does not know plans or releases: an object is the environment's by its label.
package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// Cache is the objects of one environment as the cluster has them, kept current by watches: one
// per kind and namespace, selected by label, so that only the environment's own objects are
// kept in memory, and a Role per namespace suffices. It is safe for concurrent use.
//
// An object that exists without the environment's label is not seen.
type Cache struct {
	client      *kube.Client
	environment string
	listeners   Listeners
	// Placements are how its objects were left by who wrote them last.
	Placements *Placements

	mu      sync.Mutex
	watches map[watchKey]*watch
	absent  *missingKinds
	version map[manifest.ID]string                     // of the API in which an object was last asked for
	written map[manifest.ID]*unstructured.Unstructured // answers to our writes that no watch has caught up with
	gone    deletions
	waiters subscriptions
	fields  interned
}

// New returns a cache of an environment's objects that watches nothing yet.
func New(client *kube.Client, environment string, listeners Listeners) *Cache {
	return &Cache{
		client: client, environment: environment, Placements: NewPlacements(), listeners: listeners,
		watches: map[watchKey]*watch{}, absent: newAbsentKinds(client, listeners.drifted), version: map[manifest.ID]string{},
		written: map[manifest.ID]*unstructured.Unstructured{}, gone: deletions{all: map[manifest.ID]deletion{}, swept: time.Now()},
		waiters: subscriptions{},
	}
}

// Watch makes sure that the kinds of the given objects are watched in their namespaces, and
// returns when the existing objects are known. Kinds that the server does not serve are left
// out: there are no objects of them, and Changed is called when a kind is served. From then on
// Get answers in the API version of the object that was given last. An UnwatchableError says
// that the state of the objects is not known.
func (l *Cache) Watch(ctx context.Context, objects []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var blind *UnwatchableError
	for key, ids := range l.ask(objects) {
		w, err := l.start(key)
		if err == nil {
			err = w.synced(ctx)
		}
		switch {
		case isAbsent(err), apierrors.IsNotFound(err):
			l.absent.add(key, ids, false)
		case errors.As(err, &blind):
			return blind
		case err != nil:
			return fmt.Errorf("watch %s in namespace %q: %w", key.GroupKind(), key.namespace, err)
		}
	}
	return nil
}

// ask notes in which version objects are asked for, the last one of each, and
// returns them by what is to be watched. What nobody asks for in its old version any
// more is not watched in it any more.
func (l *Cache) ask(objects []*unstructured.Unstructured) map[watchKey][]manifest.ID {
	asked := map[manifest.ID]string{}
	for _, u := range objects {
		asked[manifest.IDOf(u)] = u.GroupVersionKind().Version
	}
	keys, left := map[watchKey][]manifest.ID{}, map[watchKey]bool{}
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, version := range asked {
		if before, known := l.version[id]; known && before != version {
			left[keyOf(id, before)] = true
		}
		l.version[id] = version
		keys[keyOf(id, version)] = append(keys[keyOf(id, version)], id)
	}
	if len(left) == 0 {
		return keys
	}
	for id, version := range l.version {
		delete(left, keyOf(id, version))
	}
	for key := range left {
		if w := l.watches[key]; w != nil {
			w.cancel()
			delete(l.watches, key)
		}
	}
	return keys
}

func keyOf(id manifest.ID, version string) watchKey {
	return watchKey{id.GroupKind().WithVersion(version), id.Namespace}
}

// watching returns the watch of a kind. An error says that there is none because
// the kind vanished.
func (l *Cache) watching(key watchKey) (*watch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.absent.vanished(key) {
		return nil, &meta.NoKindMatchError{GroupKind: key.GroupKind(), SearchedVersions: []string{key.Version}}
	}
	return l.watches[key], nil
}

func (l *Cache) start(key watchKey) (*watch, error) {
	if w, err := l.watching(key); w != nil || err != nil {
		return w, err
	}
	mapping, err := l.client.Mapping(key.GroupVersionKind)
	if err != nil {
		return nil, err
	}
	w := newWatch(key, l.client.Dynamic.Resource(mapping.Resource).Namespace(key.namespace), l.client.Dynamic, ownership.LabelEnvironment+"="+l.environment)
	w.answered = func(err error) { l.answered(w, err) }
	quiet := func(_ context.Context, _ *cache.Reflector, err error) { _ = w.broke(err) } // answered is told, and we don't log
	if err := errors.Join(w.informer.SetWatchErrorHandlerWithContext(quiet), w.informer.SetTransform(l.fields.transform(key.GroupVersionKind, key.namespace))); err != nil {
		return nil, err
	}
	if _, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { l.event(o, false) },
		UpdateFunc: func(_, o any) { l.event(o, false) },
		DeleteFunc: func(o any) { l.event(o, true) },
	}); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if other := l.watches[key]; other != nil {
		return other, nil
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(l.client.Lifetime)
	l.watches[key] = w
	go w.informer.RunWithContext(ctx)
	return w, nil
}

// answered looks whether what is known of a watch's objects has turned with the
// API server's last answer.
func (l *Cache) answered(w *watch, err error) {
	if apierrors.IsNotFound(err) {
		go l.vanish(w)
		return
	}
	l.turn(w)
	if err != nil && !apierrors.IsForbidden(err) {
		time.AfterFunc(unwatchableAfter, func() { l.turn(w) })
	}
}

// turn has the objects of a watch looked at when it has become blind, or sees again.
func (l *Cache) turn(w *watch) {
	if !w.turned(time.Now()) {
		return
	}
	l.mu.Lock()
	var ids []manifest.ID
	for id, version := range l.version {
		if keyOf(id, version) == w.key && l.watches[w.key] == w {
			ids = append(ids, id)
			l.waiters.wake(id)
		}
	}
	l.mu.Unlock()
	l.listeners.drifted(ids...)
}

// vanish ends a watch whose kind the server does not have any more, in this
// version: what it held is not there, as far as anybody can tell.
func (l *Cache) vanish(w *watch) {
	l.mu.Lock()
	if l.watches[w.key] != w {
		l.mu.Unlock()
		return
	}
	delete(l.watches, w.key)
	w.cancel()
	var gone []manifest.ID
	for id, version := range l.version {
		if id.GroupKind() == w.key.GroupKind() && id.Namespace == w.key.namespace && version == w.key.Version {
			gone = append(gone, id)
			delete(l.written, id)
			l.waiters.wake(id)
		}
	}
	l.absent.add(w.key, gone, true)
	l.mu.Unlock()
	l.client.Refresh()
	l.listeners.drifted(gone...)
}

// RetryAbsentKinds makes the cache try again to watch kinds that were gone: the caller knows
// that the served kinds have changed.
func (l *Cache) RetryAbsentKinds() { l.absent.reconsider() }

// Unwatchable returns what can't be watched now, one error for each kind and namespace.
func (l *Cache) Unwatchable() []*UnwatchableError {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*UnwatchableError
	for _, w := range l.watches {
		if b, ok := w.unwatchable(time.Now()).(*UnwatchableError); ok {
			out = append(out, b)
		}
	}
	return out
}

// IsUnwatchable returns why the state of an object is not known; nil if it is.
func (l *Cache) IsUnwatchable(id manifest.ID) error {
	l.mu.Lock()
	w := l.watchOf(id)
	l.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.unwatchable(time.Now())
}

// Get returns the object as last seen; its managed fields must not be modified.
func (l *Cache) Get(id manifest.ID) (*unstructured.Unstructured, bool) {
	written, k := l.find(id)
	if written != nil {
		return written, true
	}
	if k == nil {
		return nil, false
	}
	u, err := k.object()
	return u, err == nil
}

// GetOrRead returns an object as last seen; an object that the cache does not have (it lost the
// environment's label, or still belongs to Helm) is read from the server. It is nil without an
// error if there is none.
func (l *Cache) GetOrRead(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if object, ok := l.Get(manifest.IDOf(u)); ok {
		return object, nil
	}
	return l.client.Read(ctx, u)
}

// HashesOf returns the hashes of an object as last seen, without parsing it if possible.
func (l *Cache) HashesOf(id manifest.ID) (m Hashes, there bool) {
	written, k := l.find(id)
	switch {
	case written != nil:
		return hashesOf(written), true
	case k != nil:
		return k.Hashes, true
	}
	return Hashes{}, false
}

// ResourceVersion returns the resource version of an object as last seen; empty if it
// is not there.
func (l *Cache) ResourceVersion(id manifest.ID) string {
	written, k := l.find(id)
	switch {
	case written != nil:
		return written.GetResourceVersion()
	case k != nil:
		return k.ResourceVersion
	}
	return ""
}

func (l *Cache) find(id manifest.ID) (*unstructured.Unstructured, *cachedObject) {
	l.mu.Lock()
	written, w := l.written[id], l.watchOf(id)
	l.mu.Unlock()
	if written != nil || w == nil {
		return written, nil
	}
	return nil, w.get(id)
}

func (l *Cache) watchOf(id manifest.ID) *watch { return l.watches[keyOf(id, l.version[id])] }

// touch has an object that is known looked at anew.
func (l *Cache) touch(id manifest.ID) {
	if l.Asked(id) {
		l.listeners.drifted(id)
	}
}

// Asked reports whether an object was ever asked for, so that its version is known.
func (l *Cache) Asked(id manifest.ID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, known := l.version[id]
	return known
}

// Subscribe returns a channel that holds one token whenever one of some objects
// changed since it was last drained; the function ends the subscription.
func (l *Cache) Subscribe(ids []manifest.ID) (chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiters.add(ids, ch)
	return ch, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiters.remove(ids, ch)
	}
}

// Size is how many bytes a cache holds of its environment's objects.
func Size(l *Cache) int {
	l.mu.Lock()
	watches := slices.Collect(maps.Values(l.watches))
	l.mu.Unlock()
	n := 0
	for _, w := range watches {
		for _, o := range w.informer.GetStore().List() {
			if k, ok := o.(*cachedObject); ok {
				n += len(k.text)
			}
		}
	}
	return n
}
