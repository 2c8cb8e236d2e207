package kube

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/render/manifest"
)

// References reads single ConfigMaps and Secrets, and watches each one that was read, by its
// name: nothing else of the namespace is kept in memory, and the permission can be for that
// object only. It is safe for concurrent use.
type References struct {
	typed   kubernetes.Interface
	as      string // the user as whom they are read; empty for the agent itself
	changed func(manifest.Reference)
	stop    context.Context

	mu      sync.Mutex
	watched map[manifest.Reference]*watchedReference
}

type watchedReference struct {
	informer cache.SharedIndexInformer
	cancel   context.CancelFunc
	news     chan struct{} // closed when it is synced, or failed to be

	mu   sync.Mutex
	err  error
	seen *[sha256.Size]byte // of what was last read; nil before
}

// References returns a reader of references in this cluster, as the environment's account,
// until the connection is closed. changed is called when an object that was read has changed;
// it must not block.
func (c *Connection) References(changed func(manifest.Reference)) *References {
	return c.references(c.client.Typed, c.client.config.Impersonate.UserName, changed)
}

// OwnReferences is References for objects that configure the agent; it reads them as itself.
func (c *Connection) OwnReferences(changed func(manifest.Reference)) *References {
	return c.references(c.client.own.typed, "", changed)
}

func (c *Connection) references(typed kubernetes.Interface, as string, changed func(manifest.Reference)) *References {
	return &References{typed: typed, as: as, changed: changed, stop: c.client.Lifetime, watched: map[manifest.Reference]*watchedReference{}}
}

// deniedError says that the API server does not let the agent read something.
type deniedError struct {
	ref manifest.Reference
	as  string
}

// Error says which permission is missing, and to whom.
func (d *deniedError) Error() string {
	return fmt.Sprintf("%s may not read it: grant get, list and watch on %s %s in namespace %s", cmp.Or(d.as, "tether"), d.ref.Kind, d.ref.Name, d.ref.Namespace)
}

// Lasting reports that another try has the same answer until somebody grants the permission.
func (d *deniedError) Lasting() bool { return true }

// Read returns what a ConfigMap or a Secret holds. One that does not exist is an
// error that wraps fs.ErrNotExist.
func (r *References) Read(ctx context.Context, ref manifest.Reference) (map[string][]byte, error) {
	w, err := r.watch(ref)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	select {
	case <-w.news:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	data, sum, err := w.current(ref, r.as)
	w.seen = &sum
	return data, err
}

// Retain ends the watches of all other references.
func (r *References) Retain(used []manifest.Reference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for ref, w := range r.watched {
		if !slices.Contains(used, ref) {
			w.cancel()
			delete(r.watched, ref)
		}
	}
}

func (r *References) watch(ref manifest.Reference) (*watchedReference, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.watched[ref]; w != nil {
		return w, nil
	}
	only := func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", ref.Name).String()
	}
	w := &watchedReference{news: make(chan struct{})}
	switch ref.Kind {
	case "ConfigMap":
		w.informer = coreinformers.NewFilteredConfigMapInformer(r.typed, ref.Namespace, 0, cache.Indexers{}, only)
	case "Secret":
		w.informer = coreinformers.NewFilteredSecretInformer(r.typed, ref.Namespace, 0, cache.Indexers{}, only)
	default:
		return nil, fmt.Errorf("%s is neither a ConfigMap nor a Secret", ref)
	}
	heard := sync.OnceFunc(func() { close(w.news) })
	look := func(any) { r.checkChanged(ref, w) }
	if err := w.informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
		w.mu.Lock()
		w.err = err
		w.mu.Unlock()
		heard()
	}); err != nil {
		return nil, fmt.Errorf("watch %s: %w", ref, err)
	}
	if _, err := w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: look, UpdateFunc: func(_, o any) { look(o) }, DeleteFunc: look,
	}); err != nil {
		return nil, fmt.Errorf("watch %s: %w", ref, err)
	}
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(r.stop)
	go w.informer.RunWithContext(ctx)
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), w.informer.HasSynced) {
			heard()
			look(nil)
		}
	}()
	r.watched[ref] = w
	return w, nil
}

// checkChanged tells when what is there is not what was read.
func (r *References) checkChanged(ref manifest.Reference, w *watchedReference) {
	if !w.informer.HasSynced() {
		return
	}
	w.mu.Lock()
	_, sum, _ := w.current(ref, r.as)
	is := w.seen != nil && *w.seen != sum
	if is {
		w.seen = &sum
	}
	w.mu.Unlock()
	if is && r.changed != nil {
		r.changed(ref)
	}
}

// current returns what is there, and a hash of the answer.
func (w *watchedReference) current(ref manifest.Reference, as string) (map[string][]byte, [sha256.Size]byte, error) {
	if !w.informer.HasSynced() {
		err := w.err
		switch {
		case apierrors.IsForbidden(err):
			err = &deniedError{ref, as}
		case err != nil:
			err = fmt.Errorf("read %s: %w", ref, err)
		default:
			err = context.DeadlineExceeded
		}
		return nil, sha256.Sum256([]byte("unread")), err
	}
	o, ok, err := w.informer.GetStore().GetByKey(ref.Namespace + "/" + ref.Name)
	if err != nil || !ok {
		return nil, sha256.Sum256([]byte("absent")), fmt.Errorf("%s: %w", ref, fs.ErrNotExist)
	}
	data := map[string][]byte{}
	switch o := o.(type) {
	case *corev1.Secret:
		maps.Copy(data, o.Data)
	case *corev1.ConfigMap:
		for k, v := range o.Data {
			data[k] = []byte(v)
		}
		maps.Copy(data, o.BinaryData)
	}
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(data)) {
		fmt.Fprintf(h, "%d %s %d %s", len(k), k, len(data[k]), data[k])
	}
	return data, [sha256.Size]byte(h.Sum(nil)), nil
}
