package rollout

import (
	"sync"
)

// ensuredNamespaces remembers which namespaces were made to exist. It is safe for
// concurrent use.
type ensuredNamespaces struct {
	mu   sync.Mutex
	done map[string]bool
}

// once does it for a namespace unless that was done with success before.
func (n *ensuredNamespaces) once(namespace string, do func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done[namespace] {
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	if n.done == nil {
		n.done = map[string]bool{}
	}
	n.done[namespace] = true
	return nil
}
