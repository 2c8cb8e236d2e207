package plan

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Names are the names of existing objects, by kind, in the namespaces that a commit creates and
// in the one where its objects are dry-run: one list for each kind, instead of a request for
// each object. It is safe for concurrent use.
type Names struct {
	mu    sync.Mutex
	kinds map[namesKey]*listing
}

type namesKey struct {
	kind      schema.GroupVersionKind
	namespace string
}

type listing struct {
	once sync.Once
	all  map[string]bool
	err  error
}

// Of returns the names of a kind in a namespace, which are listed once.
func (n *Names) Of(kind schema.GroupVersionKind, namespace string, list func() (map[string]bool, error)) (map[string]bool, error) {
	l := n.listing(namesKey{kind, namespace})
	l.once.Do(func() { l.all, l.err = list() })
	return l.all, l.err
}

func (n *Names) listing(key namesKey) *listing {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kinds == nil {
		n.kinds = map[namesKey]*listing{}
	}
	l := n.kinds[key]
	if l == nil {
		l = &listing{}
		n.kinds[key] = l
	}
	return l
}
