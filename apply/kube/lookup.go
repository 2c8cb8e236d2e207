package kube

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/xetys/tether/apply/realm"
)

// Lookup answers a chart's lookup function from the cluster
// (https://helm.sh/docs/chart_template_guide/functions_and_pipelines/#using-the-lookup-function).
// It reads and can do nothing else. What was asked once is answered from memory: a
// render sees one state of each object, and costs a request for each at most. It is
// for one render, and not safe for concurrent use.
type Lookup struct {
	cluster *Client
	realm   realm.Realm
	ctx     context.Context // bounds the render that asks: Helm's interface passes none
	found   map[string]*unstructured.Unstructured
	lists   map[string]*unstructured.UnstructuredList
	failed  map[string]error
}

// Lookup returns the cluster's answers to one render, bounded by ctx.
func (c *Client) Lookup(ctx context.Context) *Lookup {
	return &Lookup{cluster: c, realm: c.bounds(), ctx: ctx, found: map[string]*unstructured.Unstructured{},
		lists: map[string]*unstructured.UnstructuredList{}, failed: map[string]error{}}
}

// GetClientFor implements Helm's engine.ClientProvider.
func (l *Lookup) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	m, err := l.cluster.Mapping(gvk)
	if meta.IsNoMatchError(err) {
		// As for Helm, a kind that an API has not is one of which nothing is there; an
		// API that the server has not is an error.
		if _, err := l.cluster.Discovery.client.ServerResourcesForGroupVersion(apiVersion); err != nil {
			return nil, false, fmt.Errorf("look up a %s: find its API %s: %w", kind, apiVersion, err)
		}
		m, err = &meta.RESTMapping{Resource: gvk.GroupVersion().WithResource(""), Scope: meta.RESTScopeRoot}, nil
	}
	if err != nil {
		return nil, false, err
	}
	namespaced := m.Scope.Name() == meta.RESTScopeNameNamespace
	all := l.cluster.Dynamic.Resource(m.Resource)
	return everywhere{all, within{all, l, m.Resource.String(), schema.GroupKind{Group: gvk.Group, Kind: kind}, ""}}, namespaced, nil
}

// everywhere reads objects of one kind in all namespaces.
type everywhere struct {
	dynamic.NamespaceableResourceInterface
	within within
}

func (e everywhere) Namespace(ns string) dynamic.ResourceInterface {
	return within{e.NamespaceableResourceInterface.Namespace(ns), e.within.lookup, e.within.at + " in " + ns, e.within.kind, ns}
}

func (e everywhere) Get(ctx context.Context, name string, o metav1.GetOptions, sub ...string) (*unstructured.Unstructured, error) {
	return e.within.Get(ctx, name, o, sub...)
}

func (e everywhere) List(ctx context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	return e.within.List(ctx, o)
}

// within reads objects of one kind in one namespace, or in all, under the render's
// context instead of Helm's own.
type within struct {
	dynamic.ResourceInterface
	lookup    *Lookup
	at        string // names the kind and the namespace
	kind      schema.GroupKind
	namespace string // empty for all
}

// hidden is why something is not looked up.
func (w within) hidden(namespace, name string) error {
	if why := w.lookup.realm.Sees(w.kind, namespace, name); why != "" {
		return fmt.Errorf("look up a %s: %s", w.kind.Kind, why)
	}
	return nil
}

func (w within) Get(_ context.Context, name string, o metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	l, at := w.lookup, w.at+" "+name
	if err := w.hidden(w.namespace, name); err != nil {
		return nil, err
	}
	if l.found[at] == nil && l.failed[at] == nil {
		l.found[at], l.failed[at] = w.ResourceInterface.Get(l.ctx, name, o)
	}
	if l.failed[at] != nil {
		return nil, l.failed[at]
	}
	return l.found[at].DeepCopy(), nil // templates can change what they get
}

func (w within) List(_ context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	l := w.lookup
	if err := w.hidden(w.namespace, ""); err != nil {
		return nil, err
	}
	if l.lists[w.at] == nil && l.failed[w.at] == nil {
		l.lists[w.at], l.failed[w.at] = w.ResourceInterface.List(l.ctx, o)
		if l.failed[w.at] == nil { // of a list of all namespaces, what would not be seen in its own
			l.lists[w.at].Items = slices.DeleteFunc(l.lists[w.at].Items, func(u unstructured.Unstructured) bool { return w.hidden(u.GetNamespace(), u.GetName()) != nil })
		}
	}
	if l.failed[w.at] != nil {
		return nil, l.failed[w.at]
	}
	return l.lists[w.at].DeepCopy(), nil
}
