package pods

import (
	"context"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/render/manifest"
)

// Watcher follows the pods of namespaces while somebody waits for workloads there. It is safe
// for concurrent use.
type Watcher struct {
	client *kube.Client

	mu     sync.Mutex
	caches map[string]*namespaceCache
	noLogs map[string]bool // namespaces whose logs the agent may not read
	off    bool            // no container's log is read
}

// NewWatcher returns a Watcher that follows nothing yet.
func NewWatcher(client *kube.Client) *Watcher {
	return &Watcher{client: client, caches: map[string]*namespaceCache{}, noLogs: map[string]bool{}}
}

// Watch is one waiter's use of the pods of a namespace; several waiters share a watch.
type Watch struct {
	*namespaceCache
	stop func()
}

// Stop ends the use. The namespace is watched for podLinger longer.
func (w *Watch) Stop() { w.stop() }

// namespaceCache is the pods of one namespace, and the ReplicaSets that made them.
type namespaceCache struct {
	pods   corelisters.PodNamespaceLister
	sets   appslisters.ReplicaSetNamespaceLister
	synced func() bool
	cancel context.CancelFunc

	mu    sync.Mutex
	users map[chan struct{}][]controller // what each waits for
}

// controller is what makes pods or ReplicaSets.
type controller struct{ kind, name string }

// podLinger is how long a namespace's pods are followed after the last waiter left: the next
// one often comes soon.
const podLinger = 10 * time.Second

// Watch begins to follow a namespace's pods, if that is not done already, and puts a token
// into changed, which holds one, when pods of some workloads change. It does not wait for the
// cache to fill. The caller stops the watch.
func (w *Watcher) Watch(namespace string, of []manifest.ID, changed chan struct{}) (*Watch, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.caches[namespace]
	if p == nil {
		var err error
		if p, err = w.follow(namespace); err != nil {
			return nil, err
		}
		w.caches[namespace] = p
	}
	workloads := []controller{}
	for _, id := range of {
		if id.Namespace == namespace {
			workloads = append(workloads, controller{id.Kind, id.Name})
		}
	}
	p.mu.Lock()
	p.users[changed] = workloads
	p.mu.Unlock()
	return &Watch{p, func() {
		p.leave(changed)
		time.AfterFunc(podLinger, func() { w.unfollow(namespace, p) })
	}}, nil
}

func (p *namespaceCache) leave(user chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.users, user)
}

// wake tells who waits for what made a pod or a ReplicaSet. A thousand rollouts of a
// namespace must not look whenever one of them has news.
func (p *namespaceCache) wake(o any) {
	if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = t.Obj
	}
	var makers []controller
	if object, ok := o.(metav1.Object); ok {
		makers = p.makersOf(object)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for ch, workloads := range p.users {
		if len(makers) == 0 || slices.ContainsFunc(workloads, func(w controller) bool { return slices.Contains(makers, w) }) {
			live.Signal(ch)
		}
	}
}

// makersOf returns an object's controller and that one's own; none if nobody knows.
func (p *namespaceCache) makersOf(o metav1.Object) []controller {
	owner := metav1.GetControllerOf(o)
	if owner == nil {
		return nil
	}
	makers := []controller{{owner.Kind, owner.Name}}
	if owner.Kind != "ReplicaSet" {
		return makers
	}
	set, err := p.sets.Get(owner.Name)
	if err != nil {
		return makers // its own event comes, and is about its controller
	}
	if owner = metav1.GetControllerOf(set); owner != nil {
		makers = append(makers, controller{owner.Kind, owner.Name})
	}
	return makers
}

// unfollow ends a namespace's watches when nobody waits there any more.
func (w *Watcher) unfollow(namespace string, p *namespaceCache) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.caches[namespace] == p && len(p.users) == 0 {
		p.cancel()
		delete(w.caches, namespace)
	}
}

// follow begins to watch a namespace's pods and ReplicaSets.
func (w *Watcher) follow(namespace string) (*namespaceCache, error) {
	ctx, cancel := context.WithCancel(w.client.Lifetime)
	factory := informers.NewSharedInformerFactoryWithOptions(w.client.Typed, 0, informers.WithNamespace(namespace), informers.WithTransform(slim))
	pods, sets := factory.Core().V1().Pods(), factory.Apps().V1().ReplicaSets()
	p := &namespaceCache{pods: pods.Lister().Pods(namespace), sets: sets.Lister().ReplicaSets(namespace), cancel: cancel, users: map[chan struct{}][]controller{},
		synced: func() bool { return pods.Informer().HasSynced() && sets.Informer().HasSynced() }}
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), sets.Informer()} {
		if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    p.wake,
			UpdateFunc: func(_, o any) { p.wake(o) },
			DeleteFunc: p.wake,
		}); err != nil {
			cancel()
			return nil, err
		}
	}
	factory.StartWithContext(ctx)
	go func() {
		factory.WaitForCacheSync(ctx.Done())
		p.wake(nil)
	}()
	return p, nil
}

// slim drops what no reason is read from.
func slim(o any) (any, error) {
	switch o := o.(type) {
	case *corev1.Pod:
		o.ManagedFields = nil
		o.Spec.Volumes = slices.DeleteFunc(o.Spec.Volumes, func(v corev1.Volume) bool { return !holdsSecrets(v) })
	case *appsv1.ReplicaSet:
		o.ManagedFields, o.Spec.Template = nil, corev1.PodTemplateSpec{}
	}
	return o, nil
}
