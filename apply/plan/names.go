package plan

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Names is what the namespaces that a commit brings, and the one where it is tried, had
// in them when the commit's first object of a kind came: a list of names for each kind,
// instead of a question for each object. It is safe for concurrent use.
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
