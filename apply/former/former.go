// Package former reads from a cluster how other tools deploy the releases of a namespace:
// Helm's records, Flux's HelmReleases with their sources, Argo CD's Applications. It stores
// the secret values of these in Secrets of its own.
//
// It does not know environments or charts, and neither judges nor changes what it reads.
package former

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/adopt"
	"github.com/xetys/tether/render/manifest"
)

// Reader reads what is deployed to namespaces. It is safe for concurrent use.
type Reader struct {
	client  *kube.Client
	records *record.Store
}

// New returns a Reader.
func New(client *kube.Client, records *record.Store) *Reader {
	return &Reader{client: client, records: records}
}

// Read returns what is deployed to a namespace. Kinds that the cluster does not serve have no
// objects.
func (r *Reader) Read(ctx context.Context, namespace string) (adopt.Found, error) {
	found := adopt.Found{Namespace: namespace}
	var err error
	if found.Recorded, err = r.recorded(ctx, namespace); err != nil {
		return found, err
	}
	if found.HelmReleases, err = r.list(ctx, "helmreleases.helm.toolkit.fluxcd.io"); err != nil {
		return found, err
	}
	if found.Applications, err = r.list(ctx, "applications.argoproj.io"); err != nil {
		return found, err
	}
	if found.Secrets, err = r.secrets(ctx, namespace); err != nil {
		return found, err
	}
	found.Object = func(kind, namespace, name string) (*unstructured.Unstructured, error) {
		return r.source(ctx, kind, namespace, name)
	}
	return found, nil
}

// recorded reads the newest good record of each release.
func (r *Reader) recorded(ctx context.Context, namespace string) (map[string]adopt.Recorded, error) {
	all, err := r.records.List(ctx, namespace)
	if err != nil {
		return nil, err
	}
	out := map[string]adopt.Recorded{}
	for name, history := range all {
		current := record.History(history).Current()
		if current == nil {
			continue // it never ran, or was uninstalled
		}
		m, err := current.Manifest(r.client.Namespaced)
		if err != nil {
			return nil, err
		}
		one := adopt.Recorded{Chart: m.Chart.Name, Version: m.Chart.Version, Revision: current.Revision, Values: m.Values, Ours: current.Environment}
		for _, o := range m.Objects {
			one.Objects = append(one.Objects, *o.Unstructured)
		}
		for _, h := range m.Hooks {
			one.Objects = append(one.Objects, *h.Unstructured)
		}
		out[name] = one
	}
	return out, nil
}

// list reads the objects of a kind, in all namespaces.
func (r *Reader) list(ctx context.Context, kind string) ([]unstructured.Unstructured, error) {
	m, err := r.client.KindNamed(kind)
	var noKind *meta.NoKindMatchError
	var noResource *meta.NoResourceMatchError
	if errors.As(err, &noKind) || errors.As(err, &noResource) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := r.client.Dynamic.Resource(m.Resource).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind, err)
	}
	return all.Items, nil
}

// sources are the kinds that a HelmRelease's chart comes from.
var sources = map[string]string{
	"HelmRepository": "helmrepositories.source.toolkit.fluxcd.io", "GitRepository": "gitrepositories.source.toolkit.fluxcd.io",
	"OCIRepository": "ocirepositories.source.toolkit.fluxcd.io", "HelmChart": "helmcharts.source.toolkit.fluxcd.io",
	"Bucket": "buckets.source.toolkit.fluxcd.io",
}

func (r *Reader) source(ctx context.Context, kind, namespace, name string) (*unstructured.Unstructured, error) {
	resource := sources[kind]
	if resource == "" {
		return nil, fmt.Errorf("its chart comes from a %s, which is none of Flux's sources", kind)
	}
	m, err := r.client.KindNamed(resource)
	if err != nil {
		return nil, err
	}
	source, err := r.client.Dynamic.Resource(m.Resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("its chart comes from %s %s/%s, which does not exist", kind, namespace, name)
	}
	return source, err
}

// secrets reads a namespace's Secrets, but for Helm's records.
func (r *Reader) secrets(ctx context.Context, namespace string) ([]unstructured.Unstructured, error) {
	list, err := r.client.Typed.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type!=helm.sh/release.v1"})
	if err != nil {
		return nil, fmt.Errorf("list secrets in namespace %s, to know which values are secret: %w", namespace, err)
	}
	var out []unstructured.Unstructured
	for i := range list.Items {
		list.Items[i].APIVersion, list.Items[i].Kind = "v1", "Secret"
		raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&list.Items[i])
		if err != nil {
			return nil, err
		}
		out = append(out, unstructured.Unstructured{Object: raw})
	}
	return out, nil
}

// Store creates the Secret with a release's secret values. A Secret of that name that is
// already there is not changed.
func (r *Reader) Store(ctx context.Context, of *adopt.Release) (made bool, err error) {
	raw, err := yaml.Marshal(of.SecretValues())
	if err != nil {
		return false, err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: of.SecretName(), Namespace: of.Namespace}, Data: map[string][]byte{"values.yaml": raw}}
	_, err = r.client.Typed.CoreV1().Secrets(of.Namespace).Create(ctx, secret, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("make %s: %w", manifest.Reference{Kind: "Secret", Namespace: of.Namespace, Name: of.SecretName()}, err)
	}
	return true, nil
}
