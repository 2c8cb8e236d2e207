package live

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/xetys/tether/render/manifest"
)

// absentKind is a kind that the API server does not have, or not any more, and the
// objects that are asked for all the same.
type absentKind struct {
	objects  map[manifest.ID]struct{}
	vanished bool // it was watched; not watched again before the server says that it is back
}

// absentKinds are those that are asked for.
type absentKinds struct {
	all     map[watchKey]*absentKind
	seeking bool
	sought  chan struct{} // has a token when one more is
}

// How often the API server is asked whether a kind has come: soon after it was
// missed, then more and more seldom. Its CustomResourceDefinition may be nobody's
// that we watch.
const (
	seekFirst = time.Second
	seekLast  = 5 * time.Minute
)

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
	a := l.missed(w.key)
	a.vanished = true
	var gone []manifest.ID
	for id, version := range l.version {
		if id.GroupKind() == w.key.GroupKind() && id.Namespace == w.key.namespace && version == w.key.Version {
			gone = append(gone, id)
			a.objects[id] = struct{}{}
			delete(l.written, id)
			l.waiters.wake(id)
		}
	}
	l.mu.Unlock()
	l.client.Refresh()
	l.listeners.drifted(gone...)
}

// missed returns what is known of a kind that is absent; l.mu is held. From now on
// it is asked for.
func (l *Cache) missed(key watchKey) *absentKind {
	a := l.absent.all[key]
	if a == nil {
		a = &absentKind{objects: map[manifest.ID]struct{}{}}
		l.absent.all[key] = a
		Wake(l.absent.sought)
	}
	if !l.absent.seeking {
		l.absent.seeking = true
		go l.seek()
	}
	return a
}

// seek asks for absent kinds until none is left, and has the objects of those that
// came looked at.
func (l *Cache) seek() {
	pause := seekFirst
	for {
		select {
		case <-l.client.Lifetime.Done():
			return
		case <-l.absent.sought:
			pause = seekFirst
			continue
		case <-time.After(pause):
		}
		pause = min(2*pause, seekLast)
		l.client.Refresh()
		came, done := l.came()
		l.listeners.drifted(came...)
		if done {
			return
		}
	}
}

// came returns the objects of kinds that have come, and whether none is absent any
// more.
func (l *Cache) came() (came []manifest.ID, done bool) {
	l.mu.Lock()
	var keys []watchKey
	for key := range l.absent.all {
		keys = append(keys, key)
	}
	l.mu.Unlock()
	for _, key := range keys {
		if _, err := l.client.Mapper.RESTMapping(key.GroupKind(), key.Version); err != nil {
			continue
		}
		l.mu.Lock()
		for id := range l.absent.all[key].objects {
			came = append(came, id)
		}
		delete(l.absent.all, key)
		l.mu.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.absent.seeking = len(l.absent.all) > 0
	return came, !l.absent.seeking
}

// Reconsider has kinds that vanished watched again at the next chance: somebody who
// knows says that what the server can do has changed.
func (l *Cache) Reconsider() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.absent.all {
		a.vanished = false
	}
}

// isAbsent reports whether an error says that the server does not have a kind.
func isAbsent(err error) bool { return meta.IsNoMatchError(err) }
