package observed

import (
	"maps"
	"sync"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// Histories are the releases of the namespaces that were read, and what is there of
// releases without a record of it. It is safe for concurrent use: rollouts enter what
// they record, and watches have a namespace read again.
type Histories struct {
	mu         sync.Mutex
	of         map[Key]record.History
	read       map[string]bool           // namespaces whose records were read
	watched    map[string]bool           // namespaces whose records are watched
	unrecorded map[Key][]manifest.Object // objects of releases that have no record of them
	Sealed     bool                      // records are told by their seals; the loop's
}

// forget drops all that is known, and which namespaces are watched.
func (h *Histories) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Sealed = false
	h.of, h.read, h.watched, h.unrecorded = map[Key]record.History{}, map[string]bool{}, map[string]bool{}, map[Key][]manifest.Object{}
}

// Invalidate has all namespaces read again; those that are watched stay so.
func (h *Histories) Invalidate() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.read)
	clear(h.of)
}

func (h *Histories) History(key Key) record.History {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of[key]
}

func (h *Histories) Set(key Key, history record.History) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.of[key] = history
}

// SetAside enters that a record of a release is gone or damaged, as err says: see
// record.SetAside.
func (h *Histories) SetAside(key Key, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if history, known := h.of[key]; known {
		h.of[key] = record.SetAside(history, err)
	}
}

// Replace enters all the histories of a namespace.
func (h *Histories) Replace(namespace string, found map[string][]*record.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.of, func(key Key, _ record.History) bool { return key.Namespace == namespace })
	for name, history := range found {
		h.of[Key{namespace, name}] = history
	}
}

// Begin enters that a namespace is being read: a change from now on has it read
// again.
func (h *Histories) Begin(namespace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.read[namespace] = true
}

// Unread has a namespace read again.
func (h *Histories) Unread(namespace string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.read, namespace)
}

func (h *Histories) Known(namespace string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.read[namespace]
}

// Watch enters that a namespace is watched, and reports whether it was before.
func (h *Histories) Watch(namespace string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.watched[namespace]
	h.watched[namespace] = true
	return before
}

func (h *Histories) IsWatched(namespace string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.watched[namespace]
}

// SetUnrecorded enters what is there of a namespace's releases that have no record of it.
func (h *Histories) SetUnrecorded(namespace string, found map[Key][]manifest.Object) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.unrecorded, func(key Key, _ []manifest.Object) bool { return key.Namespace == namespace })
	maps.Copy(h.unrecorded, found)
}

// UnrecordedOf returns what is there of a release that no record tells of.
func (h *Histories) UnrecordedOf(key Key) []manifest.Object {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !LacksRecord(h.of[key]) {
		return nil
	}
	return h.unrecorded[key]
}

// Owned returns the releases whose newest record is an environment's, and those that are
// there without any.
func (h *Histories) Owned(environment string) []Key {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Key
	for key, history := range h.of {
		if last := history.Last(); last != nil && last.Environment == environment {
			out = append(out, key)
		}
	}
	for key := range h.unrecorded {
		if h.of[key].Last() == nil {
			out = append(out, key)
		}
	}
	return out
}

// LacksRecord reports whether a release may run without a record of what runs.
func LacksRecord(h record.History) bool {
	last := h.Last()
	switch {
	case h.Current() != nil || last != nil && last.Status == release.StatusUninstalling:
		return false
	case last == nil:
		return true
	}
	return h.IsInstalled() || len(h.Damaged()) > 0 && last.Status != release.StatusUninstalled
}
