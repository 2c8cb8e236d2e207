package agent

import (
	"maps"
	"sync"

	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// histories are the releases of the namespaces that were read, and what is there of
// releases without a record of it. It is safe for concurrent use: rollouts enter what
// they record, and watches have a namespace read again.
type histories struct {
	mu      sync.Mutex
	of      map[releaseKey]record.History
	read    map[string]bool                  // namespaces whose records were read
	watched map[string]bool                  // namespaces whose records are watched
	remains map[releaseKey][]manifest.Object // what is there of releases that have no record of it
	reading map[releaseKey]*sync.Mutex       // held by who reads the bodies of a release's records
	sealed  bool                             // records are told by their seals; the loop's
}

// forget drops all that is known, and which namespaces are watched.
func (h *histories) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sealed = false
	h.of, h.read, h.watched, h.remains = map[releaseKey]record.History{}, map[string]bool{}, map[string]bool{}, map[releaseKey][]manifest.Object{}
}

// readAnew has all namespaces read again; those that are watched stay so.
func (h *histories) readAnew() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.read)
	clear(h.of)
}

// readingOf returns the lock that whoever reads the bodies of a release's records holds:
// they are let go of afterwards.
func (h *histories) readingOf(key releaseKey) *sync.Mutex {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.reading == nil {
		h.reading = map[releaseKey]*sync.Mutex{}
	}
	l := h.reading[key]
	if l == nil {
		l = &sync.Mutex{}
		h.reading[key] = l
	}
	return l
}

func (h *histories) history(key releaseKey) record.History {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of[key]
}

func (h *histories) set(key releaseKey, history record.History) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[key] = history
}

// replace enters all the histories of a namespace.
func (h *histories) replace(namespace string, found map[string][]*record.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.of, func(key releaseKey, _ record.History) bool { return key.namespace == namespace })
	for name, history := range found {
		h.of[releaseKey{namespace, name}] = history
	}
}

// begin takes note that a namespace is being read: what changes from now on has it read
// again.
func (h *histories) begin(namespace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read[namespace] = true
}

// unread has a namespace read again.
func (h *histories) unread(namespace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.read, namespace)
}

func (h *histories) known(namespace string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.read[namespace]
}

// watch takes note that a namespace is watched, and reports whether it was before.
func (h *histories) watch(namespace string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.watched[namespace]
	h.watched[namespace] = true
	return before
}

func (h *histories) isWatched(namespace string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watched[namespace]
}

// setRemains enters what is there of a namespace's releases that have no record of it.
func (h *histories) setRemains(namespace string, found map[releaseKey][]manifest.Object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.remains, func(key releaseKey, _ []manifest.Object) bool { return key.namespace == namespace })
	maps.Copy(h.remains, found)
}

// remainsOf returns what is there of a release that no record tells of.
func (h *histories) remainsOf(key releaseKey) []manifest.Object {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !unrecorded(h.of[key]) {
		return nil
	}
	return h.remains[key]
}

// owned returns the releases whose newest record is an environment's, and those that are
// there without any.
func (h *histories) owned(environment string) []releaseKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []releaseKey
	for key, history := range h.of {
		if last := history.Last(); last != nil && last.Environment == environment {
			out = append(out, key)
		}
	}
	for key := range h.remains {
		if h.of[key].Last() == nil {
			out = append(out, key)
		}
	}
	return out
}
