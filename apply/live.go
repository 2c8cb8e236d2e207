package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// Live is the objects of one environment as the cluster has them, kept current
// by watches: one per kind and namespace, selected by label, so that nothing but
// the environment's own objects is held and a Role per namespace is permission
// enough. It is safe for concurrent use.
//
// An object that exists without the environment's label is not seen.
type Live struct {
	cluster *Cluster
	changed Changed

	mu      sync.Mutex
	watches map[watchKey]*watch
	absent  map[watchKey]*absentKind
	seeking bool
	sought  chan struct{}
	version map[manifest.ID]string                     // of the API in which an object was last asked for
	written map[manifest.ID]*unstructured.Unstructured // answers to our writes that no watch has caught up with
	gone    map[manifest.ID]deletion
	swept   time.Time // when gone was last swept
	waiters map[manifest.ID]map[chan struct{}]struct{}
	fields  interned
}

// deletion is the last one that was seen of an object.
type deletion struct {
	version string // the resource version
	at      time.Time
	last    *kept // what it was like, if it is of a kind that runs to an end
}

// Changed is told of every event on an object of the environment; drifted says
// that the object may not be as it was left. It is called from several goroutines
// and must not block. Nil is told nothing.
type Changed func(id manifest.ID, drifted bool)

func newLive(c *Cluster, changed Changed) *Live {
	return &Live{
		cluster: c, changed: changed, swept: time.Now(), sought: make(chan struct{}, 1),
		watches: map[watchKey]*watch{}, absent: map[watchKey]*absentKind{}, version: map[manifest.ID]string{},
		written: map[manifest.ID]*unstructured.Unstructured{}, gone: map[manifest.ID]deletion{},
		waiters: map[manifest.ID]map[chan struct{}]struct{}{},
	}
}

// Watch makes sure that the kinds of the given objects are watched in their
// namespaces, and returns when what exists is known. Kinds that the server does
// not have are left out: there are no objects of them, and Changed is told when the
// kind comes. From then on Get answers in the API version of the object that was
// given last. A BlindError says that what was known is known no more.
func (l *Live) Watch(ctx context.Context, objects []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var blind *BlindError
	for key, ids := range l.ask(objects) {
		w, err := l.start(key)
		if err == nil {
			err = w.synced(ctx)
		}
		switch {
		case isAbsent(err), apierrors.IsNotFound(err):
			l.miss(key, ids)
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
func (l *Live) ask(objects []*unstructured.Unstructured) map[watchKey][]manifest.ID {
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

// miss takes note that objects are asked for whose kind is absent.
func (l *Live) miss(key watchKey, ids []manifest.ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.missed(key)
	for _, id := range ids {
		a.objects[id] = struct{}{}
	}
}

// watching returns the watch of a kind. An error says that there is none because
// the kind vanished.
func (l *Live) watching(key watchKey) (*watch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.absent[key]; a != nil && a.vanished {
		return nil, &meta.NoKindMatchError{GroupKind: key.GroupKind(), SearchedVersions: []string{key.Version}}
	}
	return l.watches[key], nil
}

func (l *Live) start(key watchKey) (*watch, error) {
	if w, err := l.watching(key); w != nil || err != nil {
		return w, err
	}
	mapping, err := l.cluster.Mapping(key.GroupVersionKind)
	if err != nil {
		return nil, err
	}
	w := newWatch(key, l.cluster.Dynamic.Resource(mapping.Resource).Namespace(key.namespace), l.cluster.Dynamic, ownership.LabelEnvironment+"="+l.cluster.Environment)
	w.answered = func(err error) { l.answered(w, err) }
	quiet := func(_ context.Context, _ *cache.Reflector, err error) { _ = w.broke(err) } // answered is told, and we don't log
	if err := errors.Join(w.informer.SetWatchErrorHandlerWithContext(quiet), w.informer.SetTransform(l.fields.keep(key.GroupVersionKind, key.namespace))); err != nil {
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
	ctx, w.cancel = context.WithCancel(l.cluster.Lifetime)
	l.watches[key] = w
	go w.informer.RunWithContext(ctx)
	return w, nil
}

// answered looks whether what is known of a watch's objects has turned with the
// API server's last answer.
func (l *Live) answered(w *watch, err error) {
	if apierrors.IsNotFound(err) {
		go l.vanish(w)
		return
	}
	l.turn(w)
	if err != nil && !apierrors.IsForbidden(err) {
		time.AfterFunc(blindAfter, func() { l.turn(w) })
	}
}

// turn has the objects of a watch looked at when it has become blind, or sees again.
func (l *Live) turn(w *watch) {
	if !w.turned(time.Now()) {
		return
	}
	l.mu.Lock()
	var ids []manifest.ID
	for id, version := range l.version {
		if keyOf(id, version) == w.key && l.watches[w.key] == w {
			ids = append(ids, id)
			l.wakeAll(id)
		}
	}
	l.mu.Unlock()
	l.tell(ids)
}

// tell has objects looked at.
func (l *Live) tell(ids []manifest.ID) {
	if l.changed == nil {
		return
	}
	for _, id := range ids {
		l.changed(id, true)
	}
}

// Blind returns what can't be watched now, one error for each kind and namespace.
func (l *Live) Blind() []*BlindError {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*BlindError
	for _, w := range l.watches {
		if b, ok := w.blind(time.Now()).(*BlindError); ok {
			out = append(out, b)
		}
	}
	out = append(out, l.cluster.scalers.blind(time.Now())...)
	slices.SortFunc(out, func(a, b *BlindError) int {
		return cmp.Or(strings.Compare(a.Kind.String(), b.Kind.String()), strings.Compare(a.Namespace, b.Namespace))
	})
	return out
}

// blindTo returns why nothing can be said of an object; nil if it can.
func (l *Live) blindTo(id manifest.ID) error {
	l.mu.Lock()
	w := l.watchOf(id)
	l.mu.Unlock()
	if w == nil {
		return nil
	}
	return w.blind(time.Now())
}

// Get returns the object as last seen; what managers own of it must not be modified.
func (l *Live) Get(id manifest.ID) (*unstructured.Unstructured, bool) {
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

// marksOf returns the marks of an object as last seen, without reading it if it can.
func (l *Live) marksOf(id manifest.ID) (m marks, there bool) {
	written, k := l.find(id)
	switch {
	case written != nil:
		return marksOf(written), true
	case k != nil:
		return k.marks, true
	}
	return marks{}, false
}

// resourceVersion returns the resource version of an object as last seen; empty if it
// is not there.
func (l *Live) resourceVersion(id manifest.ID) string {
	written, k := l.find(id)
	switch {
	case written != nil:
		return written.GetResourceVersion()
	case k != nil:
		return k.ResourceVersion
	}
	return ""
}

func (l *Live) find(id manifest.ID) (*unstructured.Unstructured, *kept) {
	l.mu.Lock()
	written, w := l.written[id], l.watchOf(id)
	l.mu.Unlock()
	if written != nil || w == nil {
		return written, nil
	}
	return nil, w.get(id)
}

func (l *Live) watchOf(id manifest.ID) *watch { return l.watches[keyOf(id, l.version[id])] }

// wrote remembers the server's answer to a write until the watch catches up.
func (l *Live) wrote(u *unstructured.Unstructured) {
	id := manifest.IDOf(u)
	l.mu.Lock()
	defer l.mu.Unlock()
	if d, ok := l.gone[id]; ok && !older(d.version, u.GetResourceVersion()) {
		return
	}
	w := l.watchOf(id)
	if w == nil {
		return // no event would ever take it away
	}
	if have := w.get(id); have != nil && catchesUp(have, u) {
		return
	}
	l.written[id] = u
}

// catchesUp reports whether what a watch has of an object is as new as the answer to a
// write of it. For a while after a CRD has changed, watches that were open before read
// objects by its former schema: they have the version of the answer without the fields that
// the schema did not know, and the answer is the truth.
func catchesUp(k *kept, answer *unstructured.Unstructured) bool {
	if k.ResourceVersion == answer.GetResourceVersion() {
		return k.marks == marksOf(answer)
	}
	return !older(k.ResourceVersion, answer.GetResourceVersion())
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
	k, ok := o.(*kept)
	if !ok {
		return
	}
	id := k.id()
	l.mu.Lock()
	if v, known := l.version[id]; known && v != k.kind.Version {
		l.mu.Unlock()
		return // another watch tells it in the version that is asked for
	}
	if w := l.written[id]; w != nil && (catchesUp(k, w) || deleted && !older(k.ResourceVersion, w.GetResourceVersion())) {
		delete(l.written, id)
	}
	var forgotten []manifest.ID
	if deleted {
		l.gone[id] = deletionOf(k)
		forgotten = l.sweep(time.Now())
	} else {
		delete(l.gone, id)
		l.version[id] = k.kind.Version
	}
	l.wakeAll(id)
	l.mu.Unlock()
	l.cluster.forget(forgotten)
	if l.changed != nil {
		l.changed(id, deleted || !l.cluster.asMarked(id, k.marks))
	}
}

// sweepEvery is how long a deletion is remembered at least: longer than an answer
// to a write can be under way.
const sweepEvery = 2 * kube.RequestTimeout

// sweep forgets objects that have been gone for long; l.mu is held. It returns them.
func (l *Live) sweep(now time.Time) []manifest.ID {
	if now.Sub(l.swept) < sweepEvery {
		return nil
	}
	l.swept = now
	var out []manifest.ID
	for id, d := range l.gone {
		if now.Sub(d.at) >= sweepEvery {
			out = append(out, id)
			delete(l.gone, id)
			delete(l.version, id)
			delete(l.written, id)
		}
	}
	return out
}

// wakeAll tells who waits for an object; l.mu is held.
func (l *Live) wakeAll(id manifest.ID) {
	for ch := range l.waiters[id] {
		wake(ch)
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
