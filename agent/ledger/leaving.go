package ledger

// Object names an object of the cluster.
type Object struct {
	Group     string `json:"group,omitempty"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// MostLeaving bounds how many objects a release is told to wait for the end of.
const MostLeaving = 20

// LeavingOf returns what a release's rollouts deleted and was not gone when it was looked
// at last.
func (l *Ledger) LeavingOf(namespace, name string) []Object {
	if r := l.Release(namespace, name); r != nil {
		return r.Leaving
	}
	return nil
}
