package apply

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Document is a piece of text that the agent keeps in the cluster for itself and
// for people, in a ConfigMap. Version is the server's, empty for one that does
// not exist; a write with an old one fails.
type Document struct {
	Namespace, Name string
	Key             string // of the text in the ConfigMap
	Text            string
	Version         string
	UID             string
}

// ReadDocument reads a document that is named by Namespace, Name and Key; one that
// does not exist is empty.
func (c *Cluster) ReadDocument(ctx context.Context, d Document) (Document, error) {
	d.Text, d.Version, d.UID = "", "", ""
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	cm, err := c.kube.CoreV1().ConfigMaps(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return d, nil
	}
	if err != nil {
		return d, fmt.Errorf("read ConfigMap %s/%s: %w", d.Namespace, d.Name, err)
	}
	d.Text, d.Version, d.UID = cm.Data[d.Key], cm.ResourceVersion, string(cm.UID)
	return d, nil
}

// WriteDocument stores a document and returns it with its new version. The
// namespace is created if it does not exist.
func (c *Cluster) WriteDocument(ctx context.Context, d Document) (Document, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	cm := c.documentMap(d)
	maps := c.kube.CoreV1().ConfigMaps(d.Namespace)
	var err error
	if d.Version == "" {
		cm, err = maps.Create(ctx, cm, metav1.CreateOptions{FieldManager: FieldManager})
		if namespaceMissing(err, d.Namespace) {
			if err = c.EnsureNamespace(ctx, d.Namespace, nil); err == nil {
				cm, err = maps.Create(ctx, c.documentMap(d), metav1.CreateOptions{FieldManager: FieldManager})
			}
		}
	} else {
		cm, err = maps.Update(ctx, cm, metav1.UpdateOptions{FieldManager: FieldManager})
	}
	if err != nil {
		return d, fmt.Errorf("write ConfigMap %s/%s: %w", d.Namespace, d.Name, err)
	}
	d.Version, d.UID = cm.ResourceVersion, string(cm.UID)
	return d, nil
}

func (c *Cluster) documentMap(d Document) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, Name: d.Name, ResourceVersion: d.Version,
			Labels: map[string]string{labelManagedBy: FieldManager, Group + "/ledger": c.Environment},
		},
		Data: map[string]string{d.Key: d.Text},
	}
}

// WatchDocument tells of a document's text, at first and whenever it changes,
// until ctx ends; one that is deleted is empty. It does not wait.
func (c *Cluster) WatchDocument(ctx context.Context, d Document, changed func(text string)) error {
	informer := coreinformers.NewFilteredConfigMapInformer(c.kube, d.Namespace, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", d.Name).String()
	})
	tell := func(o any) {
		if cm, ok := o.(*corev1.ConfigMap); ok {
			changed(cm.Data[d.Key])
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    tell,
		UpdateFunc: func(_, o any) { tell(o) },
		DeleteFunc: func(any) { changed("") },
	})
	if err != nil {
		return fmt.Errorf("watch ConfigMap %s/%s: %w", d.Namespace, d.Name, err)
	}
	go informer.RunWithContext(ctx)
	return nil
}

// Emit writes an event about a document, for who watches the cluster's events.
// kind is Normal or Warning; reason is one CamelCase word.
func (c *Cluster) Emit(ctx context.Context, about Document, kind, reason, message string, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	const longest = 1024 // the API's bound on a message
	if len(message) > longest {
		message = message[:longest-3] + "..."
	}
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: about.Namespace, GenerateName: about.Name + "."},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "v1", Kind: "ConfigMap", Namespace: about.Namespace, Name: about.Name,
			UID: types.UID(about.UID),
		},
		Reason: reason, Message: message, Type: kind, Count: 1,
		FirstTimestamp: metav1.NewTime(now), LastTimestamp: metav1.NewTime(now),
		Source: corev1.EventSource{Component: FieldManager},
	}
	_, err := c.kube.CoreV1().Events(about.Namespace).Create(ctx, e, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("write an event about %s/%s: %w", about.Namespace, about.Name, err)
	}
	return nil
}

// Lock returns the Lease by which replicas of the agent elect who leads an
// environment.
func (c *Cluster) Lock(namespace, name, identity string) resourcelock.Interface {
	return &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: name},
		Client:     c.kube.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}
}

// LeaseHolder returns who holds a Lease that has not run out at now; empty if
// nobody does.
func (c *Cluster) LeaseHolder(ctx context.Context, namespace, name string, now time.Time) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	lease, err := c.kube.CoordinationV1().Leases(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read Lease %s/%s: %w", namespace, name, err)
	}
	s := lease.Spec
	if s.HolderIdentity == nil || s.RenewTime == nil || s.LeaseDurationSeconds == nil {
		return "", nil
	}
	if now.After(s.RenewTime.Add(time.Duration(*s.LeaseDurationSeconds) * time.Second)) {
		return "", nil
	}
	return *s.HolderIdentity, nil
}
