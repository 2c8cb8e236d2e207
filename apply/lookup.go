package apply

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// Lookup answers a chart's lookup function from the cluster
// (https://helm.sh/docs/chart_template_guide/functions_and_pipelines/#using-the-lookup-function).
// It reads and can do nothing else.
type Lookup struct {
	cluster *Cluster
	ctx     context.Context // bounds the render that asks: Helm's interface passes none
}

// Lookup returns the cluster's answers to one render, bounded by ctx.
func (c *Cluster) Lookup(ctx context.Context) *Lookup { return &Lookup{cluster: c, ctx: ctx} }

// GetClientFor implements Helm's engine.ClientProvider.
func (l *Lookup) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	gvk := schema.FromAPIVersionAndKind(apiVersion, kind)
	m, err := l.cluster.mapping(gvk)
	if err != nil {
		return nil, false, err
	}
	namespaced, _ := l.cluster.Namespaced(gvk)
	all := l.cluster.dyn.Resource(m.Resource)
	return everywhere{NamespaceableResourceInterface: all, within: within{all, l.ctx}}, namespaced, nil
}

// everywhere reads objects of one kind in all namespaces.
type everywhere struct {
	dynamic.NamespaceableResourceInterface
	within within
}

func (e everywhere) Namespace(ns string) dynamic.ResourceInterface {
	return within{e.NamespaceableResourceInterface.Namespace(ns), e.within.ctx}
}

func (e everywhere) Get(ctx context.Context, name string, o metav1.GetOptions, sub ...string) (*unstructured.Unstructured, error) {
	return e.within.Get(ctx, name, o, sub...)
}

func (e everywhere) List(ctx context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	return e.within.List(ctx, o)
}

// within reads objects under the render's context instead of Helm's own.
type within struct {
	dynamic.ResourceInterface
	ctx context.Context
}

func (w within) Get(_ context.Context, name string, o metav1.GetOptions, sub ...string) (*unstructured.Unstructured, error) {
	return w.ResourceInterface.Get(w.ctx, name, o, sub...)
}

func (w within) List(_ context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	return w.ResourceInterface.List(w.ctx, o)
}
