package kube

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/xetys/tether/apply/realm"
)

// Lookup answers a chart's lookup function from the cluster
// (https://helm.sh/docs/chart_template_guide/functions_and_pipelines/#using-the-lookup-function).
// It reads and can do nothing else. Answers are cached: a render sees one state of each object,
// with at most one request for each. A Lookup is for one render, and not safe for concurrent
// use. Returned objects must not be modified.
type Lookup struct {
	cluster *Client
	dyn     dynamic.Interface
	broken  error // why there is no dyn
	room    int   // bytes that may still be read
	realm   realm.Realm
	ctx     context.Context // bounds the render that asks: Helm's interface passes none
	found   map[string]*unstructured.Unstructured
	lists   map[string]*unstructured.UnstructuredList
	failed  map[string]error
}

// maxLookedUp is how much of the API server's answers is read for a render: they are held in
// this process, in several times their size, and a chart can have made what it looks up.
const maxLookedUp = 16 << 20

// Lookup returns the cluster's answers to one render, bounded by ctx.
func (c *Connection) Lookup(ctx context.Context) *Lookup {
	l := &Lookup{cluster: c.client, realm: c.bounds(), ctx: ctx, found: map[string]*unstructured.Unstructured{},
		lists: map[string]*unstructured.UnstructuredList{}, failed: map[string]error{}, room: maxLookedUp}
	config := steady(c.client.config)
	config.Wrap(l.metered)
	l.dyn, l.broken = dynamic.NewForConfig(config)
	return l
}

// metered ends answers where there is no room for more.
func (l *Lookup) metered(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(r)
		if err == nil {
			res.Body = &meteredBody{res.Body, l}
		}
		return res, err
	})
}

type meteredBody struct {
	io.ReadCloser
	lookup *Lookup
}

// Read ends early without an error, because the client would retry after one.
func (m *meteredBody) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if m.lookup.room -= n; m.lookup.room < 0 {
		return 0, io.EOF
	}
	return n, err
}

// full is why nothing more is looked up; nil while there is room.
func (l *Lookup) full(kind string) error {
	if l.room >= 0 {
		return nil
	}
	return fmt.Errorf("look up a %s: with it this render has looked up more than %d MiB: ask for less, by namespace and name", kind, maxLookedUp>>20)
}

// GetClientFor implements Helm's engine.ClientProvider.
func (l *Lookup) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	if l.broken != nil {
		return nil, false, fmt.Errorf("look up a %s: %w", kind, l.broken)
	}
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	m, err := l.cluster.Mapping(gvk)
	if meta.IsNoMatchError(err) {
		// As for Helm, a kind that an API has not is one of which nothing is there; an
		// API that the server has not is an error.
		if _, err := l.cluster.Discovery.client.ServerResourcesForGroupVersion(apiVersion); err != nil {
			return nil, false, fmt.Errorf("look up a %s: find its API %s: %w", kind, apiVersion, err)
		}
		return nowhere{missing: apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: kind}, "")}, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	namespaced := m.Scope.Name() == meta.RESTScopeNameNamespace
	all := l.dyn.Resource(m.Resource)
	return everywhere{all, within{all, l, m.Resource.String(), schema.GroupKind{Group: gvk.Group, Kind: kind}, ""}}, namespaced, nil
}

// nowhere is a kind that the API server does not have. Nothing is asked: without a resource,
// the name in a chart would be taken for one, and all objects of that be read.
type nowhere struct {
	dynamic.NamespaceableResourceInterface
	missing error
}

func (n nowhere) Namespace(string) dynamic.ResourceInterface { return n }

func (n nowhere) Get(context.Context, string, metav1.GetOptions, ...string) (*unstructured.Unstructured, error) {
	return nil, n.missing
}

func (n nowhere) List(context.Context, metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	return nil, n.missing
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
		l.failed[at] = cmp.Or(l.full(w.kind.Kind), l.failed[at])
	}
	if l.failed[at] != nil {
		return nil, l.failed[at]
	}
	return l.found[at], nil
}

func (w within) List(_ context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	l := w.lookup
	if err := w.hidden(w.namespace, ""); err != nil {
		return nil, err
	}
	if l.lists[w.at] == nil && l.failed[w.at] == nil {
		l.lists[w.at], l.failed[w.at] = w.ResourceInterface.List(l.ctx, o)
		l.failed[w.at] = cmp.Or(l.full(w.kind.Kind), l.failed[w.at])
		if l.failed[w.at] == nil { // of a list of all namespaces, what would not be seen in its own
			l.lists[w.at].Items = slices.DeleteFunc(l.lists[w.at].Items, func(u unstructured.Unstructured) bool { return w.hidden(u.GetNamespace(), u.GetName()) != nil })
		}
	}
	if l.failed[w.at] != nil {
		return nil, l.failed[w.at]
	}
	return l.lists[w.at], nil
}
