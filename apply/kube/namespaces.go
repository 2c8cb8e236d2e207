package kube

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// namespaceManager owns the labels that an environment gives its namespace. A release that
// brings the namespace as an object of its own owns others, as FieldManager.
const namespaceManager = ownership.FieldManager + "-namespace"

// EnsureNamespace makes a namespace exist and carry the given labels. It owns
// nothing else of it, and never deletes it.
func (c *Connection) EnsureNamespace(ctx context.Context, name string, labels map[string]string) error {
	live, err := c.client.Read(ctx, namespaceOf(name))
	if err != nil {
		return err
	}
	if live != nil && carries(live, labels) {
		return nil
	}
	return c.applyNamespace(ctx, name, labels)
}

// LabelNamespace sets a namespace's labels, and removes those that it set before and that are
// no longer wanted. It reports whether anything was changed; it does not create the namespace.
func (c *Connection) LabelNamespace(ctx context.Context, name string, labels map[string]string) (changed bool, err error) {
	live, err := c.client.Read(ctx, namespaceOf(name))
	if err != nil || live == nil {
		return false, err
	}
	given := maps.Clone(manifest.AsMap(manifest.AsMap(drift.Applied(live, namespaceManager)["f:metadata"])["f:labels"]))
	for label := range labels {
		delete(given, "f:"+label)
	}
	if len(given) == 0 && carries(live, labels) {
		return false, nil
	}
	return true, c.applyNamespace(ctx, name, labels)
}

func (c *Connection) applyNamespace(ctx context.Context, name string, labels map[string]string) error {
	want := namespaceOf(name)
	want.SetLabels(labels)
	if _, err := c.client.Send(ctx, want, client.FieldOwner(namespaceManager)); err != nil {
		return fmt.Errorf("create or label namespace %s: %w", name, err)
	}
	return nil
}

func namespaceOf(name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	u.SetName(name)
	return u
}

func carries(live *unstructured.Unstructured, labels map[string]string) bool {
	have := live.GetLabels()
	for k, v := range labels {
		if have[k] != v {
			return false
		}
	}
	return true
}

// WatchNamespace calls changed after every change of a namespace's labels until ctx ends. It
// returns at once, and reports no error if the namespace can't be watched.
func (c *Connection) WatchNamespace(ctx context.Context, name string, changed func()) error {
	informer := coreinformers.NewFilteredNamespaceInformer(c.client.Typed, 0, cache.Indexers{}, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
	})
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { changed() },
		UpdateFunc: func(before, now any) {
			b, _ := before.(*corev1.Namespace)
			n, _ := now.(*corev1.Namespace)
			if b == nil || n == nil || !maps.Equal(b.Labels, n.Labels) {
				changed()
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watch namespace %s: %w", name, err)
	}
	go informer.RunWithContext(ctx)
	return nil
}
