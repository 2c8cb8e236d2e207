package apply

import (
	"context"
	"fmt"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fresh is what the namespaces that a commit brings, and the one where it is tried, had
// in them when the commit's first object of a kind came: a list of names for each kind, instead of a question
// for each object. It is safe for concurrent use.
type fresh struct {
	mu    sync.Mutex
	kinds map[watchKey]*names
}

type names struct {
	once sync.Once
	all  map[string]bool
	err  error
}

func (f *fresh) of(key watchKey) *names {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kinds == nil {
		f.kinds = map[watchKey]*names{}
	}
	n := f.kinds[key]
	if n == nil {
		n = &names{}
		f.kinds[key] = n
	}
	return n
}

// exists reports whether there is an object of the same kind and name.
func (c *Cluster) exists(ctx context.Context, u *unstructured.Unstructured, coming Coming) (bool, error) {
	if !coming.absent[u.GetNamespace()] {
		live, err := c.read(ctx, u)
		return live != nil, err
	}
	return c.listed(ctx, u, coming)
}

// listed reports whether an object's name is among those of its kind, which are listed
// once for all objects that come.
func (c *Cluster) listed(ctx context.Context, u *unstructured.Unstructured, coming Coming) (bool, error) {
	n := coming.fresh.of(watchKey{u.GroupVersionKind(), u.GetNamespace()})
	n.once.Do(func() { n.all, n.err = c.namesOf(ctx, u) })
	return n.all[u.GetName()], n.err
}

// namesOf lists the names of a kind's objects in an object's namespace.
func (c *Cluster) namesOf(ctx context.Context, u *unstructured.Unstructured) (map[string]bool, error) {
	list := &metav1.PartialObjectMetadataList{}
	gvk := u.GroupVersionKind()
	gvk.Kind += "List"
	list.SetGroupVersionKind(gvk)
	if err := c.direct.List(ctx, list, client.InNamespace(u.GetNamespace())); err != nil {
		return nil, fmt.Errorf("list %s in namespace %s: %w", u.GroupVersionKind().GroupKind(), u.GetNamespace(), err)
	}
	all := make(map[string]bool, len(list.Items))
	for _, o := range list.Items {
		all[o.Name] = true
	}
	return all, nil
}
