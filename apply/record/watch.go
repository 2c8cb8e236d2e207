package record

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Watch calls changed when Helm or a person wrote or deleted a record of a namespace. It keeps
// only the names of records in memory. It returns at once, and ends with ctx. While it can't
// watch, for example because a permission is missing, it retries, and calls trouble with each
// new reason. Neither function may block.
func (s *Store) Watch(ctx context.Context, namespace string, changed func(), trouble func(error)) error {
	secrets := s.meta.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(namespace)
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = ownedByHelm
			return secrets.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (apiwatch.Interface, error) {
			o.LabelSelector = ownedByHelm
			return secrets.Watch(ctx, o)
		},
	}
	informer := cache.NewSharedIndexInformer(lw, &metav1.PartialObjectMetadata{}, 0, cache.Indexers{})
	tell := func(o any, gone bool) {
		if tomb, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = tomb.Obj
		}
		if m, ok := o.(*metav1.PartialObjectMetadata); ok && s.known.foreign(m.Namespace, m.Name, m.ResourceVersion, gone) {
			changed()
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { tell(o, false) },
		UpdateFunc: func(_, o any) { tell(o, false) },
		DeleteFunc: func(o any) { tell(o, true) },
	})
	last := ""
	for _, set := range []func() error{
		func() error { return err },
		func() error { return informer.SetTransform(nameOnly) },
		func() error {
			return informer.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
				kind := "no answer" // how a connection breaks is told differently each time
				if apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
					kind = err.Error()
				}
				if kind != last {
					last = kind
					trouble(listFailed(fmt.Sprintf("watch release records in namespace %s", namespace), err))
				}
			})
		},
	} {
		if err := set(); err != nil {
			return fmt.Errorf("watch release records in namespace %s: %w", namespace, err)
		}
	}
	go informer.RunWithContext(ctx)
	return nil
}

// nameOnly drops what is not asked for of a record's Secret: a thousand releases have ten
// thousand of them.
func nameOnly(o any) (any, error) {
	if m, ok := o.(*metav1.PartialObjectMetadata); ok {
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, ResourceVersion: m.ResourceVersion, UID: m.UID}}, nil
	}
	return o, nil
}

// known is what a Store knows of the records of the namespaces that it has listed: the
// version of each, as it was read or written last. An event about a record that is being
// written waits until it is known who wrote it. It is safe for concurrent use.
type known struct {
	mu       *sync.Mutex
	settled  *sync.Cond
	versions map[string]map[string]string // by namespace and Secret
	open     map[string]int               // what is being written, by namespace/Secret, or listed, by namespace
}

// deletedByUs stands in place of a version.
const deletedByUs = "deleted"

func newKnown() known {
	mu := &sync.Mutex{}
	return known{mu: mu, settled: sync.NewCond(mu), versions: map[string]map[string]string{}, open: map[string]int{}}
}

// begin keeps events about what is named from being judged until the end.
func (k known) begin(name string) (end func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[name]++
	return func() {
		if k.open[name]--; k.open[name] == 0 {
			delete(k.open, name)
		}
		k.settled.Broadcast()
	}
}

// reading has events about a namespace's records wait until they are listed.
func (k known) reading(namespace string) (done func()) {
	end := k.begin(namespace)
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		end()
	}
}

func (k known) listed(namespace string, versions map[string]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.versions[namespace] = versions
}

// writing has events about a record wait until it is written: wrote is told its version,
// or nothing if it was not.
func (k known) writing(namespace, secret string) (wrote func(version string)) {
	end := k.begin(namespace + "/" + secret)
	return func(version string) {
		k.mu.Lock()
		defer k.mu.Unlock()
		end()
		if all := k.versions[namespace]; all != nil && version != "" {
			all[secret] = version
		}
	}
}

// foreign reports whether an event tells of what is not known: a version that is newer
// than what was read and written, or a deletion that is not ours. It takes note of it, so
// that it is told once.
func (k known) foreign(namespace, secret, version string, gone bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.open[namespace] > 0 || k.open[namespace+"/"+secret] > 0 {
		k.settled.Wait()
	}
	all := k.versions[namespace]
	if all == nil {
		return false // nobody asked for it yet
	}
	have, there := all[secret]
	if gone {
		delete(all, secret)
		return there && have != deletedByUs
	}
	if there && (have == deletedByUs || !newer(version, have)) {
		return false
	}
	all[secret] = version
	return true
}

// newer reports whether one version of an object comes after another
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
func newer(a, b string) bool {
	na, aerr := strconv.ParseUint(a, 10, 64)
	nb, berr := strconv.ParseUint(b, 10, 64)
	if aerr != nil || berr != nil {
		return a != b
	}
	return na > nb
}
