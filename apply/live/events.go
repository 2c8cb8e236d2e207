package live

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/render/manifest"
)

// Changed is called on every event of an object of the environment; drifted says that the
// object may differ from how the agent left it. It is called from several goroutines and must
// not block. It may be nil.
type Changed func(id manifest.ID, drifted bool)

// Listeners are called when something happens to objects.
type Listeners struct {
	Changed   Changed
	Forgotten func(ids []manifest.ID) // objects that have been gone for long
}

// drifted reports objects as possibly drifted.
func (t Listeners) drifted(ids ...manifest.ID) {
	if t.Changed == nil {
		return
	}
	for _, id := range ids {
		t.Changed(id, true)
	}
}

// forgotten has objects forgotten that have been gone for long.
func (t Listeners) forgotten(ids []manifest.ID) {
	if t.Forgotten != nil && len(ids) > 0 {
		t.Forgotten(ids)
	}
}

func (l *Cache) event(o any, deleted bool) {
	if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = t.Obj
	}
	k, ok := o.(*cachedObject)
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
		l.gone.all[id] = deletionOf(k)
		forgotten = l.sweep(time.Now())
	} else {
		delete(l.gone.all, id)
		l.version[id] = k.kind.Version
	}
	l.waiters.wake(id)
	l.mu.Unlock()
	l.Placements.Forget(forgotten...)
	l.listeners.forgotten(forgotten)
	if l.listeners.Changed != nil {
		l.listeners.Changed(id, deleted || !l.Placements.asMarked(id, k.Hashes))
	}
}

// Wrote remembers the server's answer to a write until the watch catches up.
func (l *Cache) Wrote(u *unstructured.Unstructured) {
	id := manifest.IDOf(u)
	l.mu.Lock()
	defer l.mu.Unlock()
	if d, ok := l.gone.all[id]; ok && !older(d.version, u.GetResourceVersion()) {
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
func catchesUp(k *cachedObject, answer *unstructured.Unstructured) bool {
	if k.ResourceVersion == answer.GetResourceVersion() {
		return k.Hashes == hashesOf(answer)
	}
	return !older(k.ResourceVersion, answer.GetResourceVersion())
}

// older reports whether resource version a is older than b. What cannot be
// compared counts as older, so that the newer answer is believed.
func older(a, b string) bool {
	c, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || c < 0
}

// sweep forgets objects that have been gone for long; l.mu is held. It returns them.
func (l *Cache) sweep(now time.Time) []manifest.ID {
	out := l.gone.sweep(now)
	for _, id := range out {
		delete(l.version, id)
		delete(l.written, id)
	}
	return out
}
