package live

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render/manifest"
)

// absentKind is a kind that the API server does not have, or not any more, and the
// objects that are asked for all the same.
type absentKind struct {
	objects  map[manifest.ID]struct{}
	vanished bool // it was watched; not watched again before the server says that it is back
}

// missingKinds are those that are asked for. The API server is asked for them until they have
// come. They are safe for concurrent use.
type missingKinds struct {
	client *kube.Client
	came   func(...manifest.ID) // is told of the objects of kinds that have come

	mu      sync.Mutex
	all     map[watchKey]*absentKind
	seeking bool
	sought  chan struct{} // has a token when one more is
}

func newAbsentKinds(client *kube.Client, came func(...manifest.ID)) *missingKinds {
	return &missingKinds{client: client, came: came, all: map[watchKey]*absentKind{}, sought: make(chan struct{}, 1)}
}

// How often the API server is asked whether a kind has come: soon after it was
// missed, then more and more seldom. Its CustomResourceDefinition may be nobody's
// that we watch.
const (
	seekFirst = time.Second
	seekLast  = 5 * time.Minute
)

// add takes note that objects are asked for whose kind is absent, or has vanished. From now
// on the kind is asked for.
func (a *missingKinds) add(key watchKey, ids []manifest.ID, vanished bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kind := a.all[key]
	if kind == nil {
		kind = &absentKind{objects: map[manifest.ID]struct{}{}}
		a.all[key] = kind
		Signal(a.sought)
	}
	kind.vanished = kind.vanished || vanished
	for _, id := range ids {
		kind.objects[id] = struct{}{}
	}
	if !a.seeking {
		a.seeking = true
		go a.seek()
	}
}

// vanished reports whether a kind was watched, and is not there any more.
func (a *missingKinds) vanished(key watchKey) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	kind := a.all[key]
	return kind != nil && kind.vanished
}

// reconsider has kinds that vanished watched again at the next chance.
func (a *missingKinds) reconsider() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, kind := range a.all {
		kind.vanished = false
	}
}

// seek asks for absent kinds until none is left, and has the objects of those that
// came looked at.
func (a *missingKinds) seek() {
	pause := seekFirst
	for {
		select {
		case <-a.client.Lifetime.Done():
			return
		case <-a.sought:
			pause = seekFirst
			continue
		case <-time.After(pause):
		}
		pause = min(2*pause, seekLast)
		a.client.Refresh()
		came, done := a.found()
		a.came(came...)
		if done {
			return
		}
	}
}

// found returns the objects of kinds that have come, and whether none is absent any
// more.
func (a *missingKinds) found() (came []manifest.ID, done bool) {
	a.mu.Lock()
	var keys []watchKey
	for key := range a.all {
		keys = append(keys, key)
	}
	a.mu.Unlock()
	for _, key := range keys {
		if _, err := a.client.Mapper.RESTMapping(key.GroupKind(), key.Version); err != nil {
			continue
		}
		a.mu.Lock()
		for id := range a.all[key].objects {
			came = append(came, id)
		}
		delete(a.all, key)
		a.mu.Unlock()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seeking = len(a.all) > 0
	return came, !a.seeking
}

// isAbsent reports whether an error says that the server does not have a kind.
func isAbsent(err error) bool { return meta.IsNoMatchError(err) }
