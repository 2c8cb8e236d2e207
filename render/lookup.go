package render

import (
	"context"
	"encoding/json"

	"helm.sh/helm/v3/pkg/engine"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/worker"
)

// reader is what a lookup needs of a client.
type reader interface {
	Get(ctx context.Context, name string, o metav1.GetOptions, sub ...string) (*unstructured.Unstructured, error)
	List(ctx context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error)
}

// answers answers what a worker looks up, as Helm's own lookup would: the worker
// has no credentials. It is nil without a cluster; then there is nothing.
func answers(ctx context.Context, cluster engine.ClientProvider) worker.Lookup {
	if cluster == nil {
		return nil
	}
	return func(q worker.Question) ([]byte, error) {
		raw, err := answer(ctx, cluster, q)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return raw, err
	}
}

func answer(ctx context.Context, cluster engine.ClientProvider, q worker.Question) ([]byte, error) {
	all, namespaced, err := cluster.GetClientFor(q.APIVersion, q.Kind)
	if err != nil {
		return nil, err
	}
	var r reader = all
	if namespaced && q.Namespace != "" {
		r = all.Namespace(q.Namespace)
	}
	if q.Name != "" {
		o, err := r.Get(ctx, q.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return json.Marshal(o.UnstructuredContent())
	}
	list, err := r.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return json.Marshal(list.UnstructuredContent())
}
