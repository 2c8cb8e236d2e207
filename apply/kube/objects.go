package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// RequestTimeout bounds a single request: an API server that hangs is as good as
// away.
const RequestTimeout = 30 * time.Second

// Read gets an object from the server; nil without an error if it, or its kind,
// does not exist.
func (c *Client) Read(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(u.GroupVersionKind())
	err := c.Direct.Get(ctx, client.ObjectKeyFromObject(u), live)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", manifest.IDOf(u), err)
	}
	return live, nil
}

// ListNamed returns the objects of a kind that have a name and match a label selector: in one
// namespace, or in all if that is empty.
func (c *Client) ListNamed(ctx context.Context, kind *meta.RESTMapping, namespace, name, selector string) ([]unstructured.Unstructured, error) {
	var of dynamic.ResourceInterface = c.Dynamic.Resource(kind.Resource)
	if namespace != "" && kind.Scope.Name() == meta.RESTScopeNameNamespace {
		of = c.Dynamic.Resource(kind.Resource).Namespace(namespace)
	}
	list, err := of.List(ctx, metav1.ListOptions{LabelSelector: selector, FieldSelector: "metadata.name=" + name})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// Send applies an object as it stands and returns the server's answer.
func (c *Client) Send(ctx context.Context, u *unstructured.Unstructured, more ...client.ApplyOption) (*unstructured.Unstructured, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	answer := u.DeepCopy()
	opts := append([]client.ApplyOption{client.ForceOwnership, client.FieldOwner(ownership.FieldManager)}, more...)
	if err := c.Direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(answer), opts...); err != nil {
		return nil, apierror.Redact(u, err)
	}
	return answer, nil
}

// Delete deletes the given object (by UID), and not another one that has its name by now.
func (c *Client) Delete(ctx context.Context, live *unstructured.Unstructured, opts ...client.DeleteOption) error {
	uid := live.GetUID()
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	opts = append(opts, client.PropagationPolicy(metav1.DeletePropagationBackground), client.Preconditions{UID: &uid})
	err := c.Direct.Delete(ctx, live, opts...)
	if apierrors.IsNotFound(err) || apierror.NameTaken(err) {
		return nil // gone, or another object of the same name: not ours to delete
	}
	if err != nil {
		return fmt.Errorf("delete %s: %w", manifest.IDOf(live), err)
	}
	return nil
}

// Each runs do for every object, as many at once as the cluster has slots, and
// returns the first error.
func (c *Client) Each(ctx context.Context, objects []manifest.Object, do func(context.Context, manifest.Object) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	var once sync.Once
	var first error
	for _, o := range objects {
		release, err := c.Turns.Acquire(ctx)
		if err != nil {
			once.Do(func() { first = err })
			break
		}
		wg.Go(func() {
			defer release()
			if err := do(ctx, o); err != nil {
				once.Do(func() { first = err })
				cancel(err)
			}
		})
	}
	wg.Wait()
	return first
}
