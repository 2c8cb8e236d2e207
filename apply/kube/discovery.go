package kube

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/restmapper"
)

// Discovery knows which kinds the API server serves: it asks once, and again when something has
// changed. It is safe for concurrent use.
type Discovery struct {
	host   string
	client discovery.CachedDiscoveryInterface
	Mapper meta.ResettableRESTMapper

	mu         sync.Mutex
	caps       *Capabilities
	kinds      map[schema.GroupVersionKind]*meta.RESTMapping // what was found of them; the mapper finds it anew each time
	discovered time.Time                                     // when the API server was last asked what it can do, for want of a kind
}

func newDiscovery(host string, client *discovery.DiscoveryClient) *Discovery {
	cached := memory.NewMemCacheClient(client)
	return &Discovery{host: host, client: cached, Mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached)}
}

// Capabilities are what charts ask of a cluster (.Capabilities in Helm).
type Capabilities struct {
	KubeVersion string
	// APIVersions are "group/version" and "group/version/Kind".
	APIVersions []string
}

// Capabilities returns what the API server can do. It is read anew after
// Rediscover, and if that was not done just now.
func (d *Discovery) Capabilities() (Capabilities, error) {
	d.outdated()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.caps != nil {
		return *d.caps, nil
	}
	version, err := d.client.ServerVersion()
	if err != nil {
		return Capabilities{}, fmt.Errorf("ask the API server %s for its version: %w", d.host, err)
	}
	// A group that is down must not hide the others.
	_, lists, err := d.client.ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return Capabilities{}, fmt.Errorf("ask the API server %s for its APIs: %w", d.host, err)
	}
	caps := Capabilities{KubeVersion: version.GitVersion}
	for _, list := range lists {
		caps.APIVersions = append(caps.APIVersions, list.GroupVersion)
		for _, r := range list.APIResources {
			caps.APIVersions = append(caps.APIVersions, list.GroupVersion+"/"+r.Kind)
		}
	}
	d.caps = &caps
	return caps, nil
}

// Refresh makes the next call ask the API server again.
func (d *Discovery) Refresh() {
	d.mu.Lock()
	d.caps, d.kinds, d.discovered = nil, nil, time.Now()
	d.mu.Unlock()
	d.Mapper.Reset()
}

// Namespaced reports whether objects of a kind live in namespaces; known is
// false when the server does not have the kind (yet).
func (d *Discovery) Namespaced(gvk schema.GroupVersionKind) (namespaced, known bool) {
	m, err := d.Mapping(gvk)
	if err != nil {
		return false, false
	}
	return m.Scope.Name() == meta.RESTScopeNameNamespace, true
}

// Mapping returns the resource of a kind in its version.
func (d *Discovery) Mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	d.mu.Lock()
	known := d.kinds[gvk]
	d.mu.Unlock()
	if known != nil {
		return known, nil
	}
	m, err := d.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) && d.outdated() {
		m, err = d.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	if err == nil {
		err = d.serves(m.GroupVersionKind)
	}
	if err != nil {
		return nil, fmt.Errorf("find the API for %s: %w", gvk, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.kinds == nil {
		d.kinds = map[schema.GroupVersionKind]*meta.RESTMapping{}
	}
	d.kinds[gvk] = m
	return m, nil
}

// serves returns an error unless the API server has a kind that is written so. The mapper takes
// one in lower-case letters for it as well, which nothing that goes by kinds knows, and invents
// lists. Where the API server can't be asked, the kind is not taken for one that it has.
func (d *Discovery) serves(gvk schema.GroupVersionKind) error {
	list, err := d.client.ServerResourcesForGroupVersion(gvk.GroupVersion().String())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool {
		return r.Kind == gvk.Kind && !strings.Contains(r.Name, "/")
	}) {
		return &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: []string{gvk.Version}}
	}
	return nil
}

// outdated has the API server asked anew what it can do, if that was not done
// just now: somebody may have installed a CRD since.
func (d *Discovery) outdated() bool {
	d.mu.Lock()
	due := time.Since(d.discovered) > 5*time.Second
	if due {
		d.discovered, d.caps, d.kinds = time.Now(), nil, nil
	}
	d.mu.Unlock()
	if due {
		d.Mapper.Reset()
	}
	return due
}

// moved are the kinds that Kubernetes serves under another group than at first: what was
// applied there is the same object here
// (https://kubernetes.io/docs/reference/using-api/deprecation-guide/).
var moved = map[schema.GroupKind]string{
	{Group: "extensions", Kind: "Ingress"}:           "networking.k8s.io",
	{Group: "extensions", Kind: "NetworkPolicy"}:     "networking.k8s.io",
	{Group: "extensions", Kind: "Deployment"}:        "apps",
	{Group: "extensions", Kind: "DaemonSet"}:         "apps",
	{Group: "extensions", Kind: "ReplicaSet"}:        "apps",
	{Group: "extensions", Kind: "PodSecurityPolicy"}: "policy",
}

// Served returns a past object under a version of its API that the server still has, possibly
// in another group: objects that were applied before a version was removed have to be found.
func (d *Discovery) Served(u *unstructured.Unstructured) *unstructured.Unstructured {
	gvk := u.GroupVersionKind()
	if _, err := d.Mapping(gvk); !meta.IsNoMatchError(err) {
		return u
	}
	gk := gvk.GroupKind()
	m, err := d.Mapper.RESTMapping(gk)
	if group := moved[gk]; err != nil && group != "" {
		m, err = d.Mapper.RESTMapping(schema.GroupKind{Group: group, Kind: gk.Kind})
	}
	if err != nil {
		return u
	}
	u = u.DeepCopy()
	u.SetGroupVersionKind(m.GroupVersionKind)
	return u
}

// StatusOf reports whether a kind has a status subresource; known is false if nobody knows.
func (d *Discovery) StatusOf(gvk schema.GroupVersionKind) (has, known bool) {
	m, err := d.Mapping(gvk)
	if err != nil {
		return false, false
	}
	list, err := d.client.ServerResourcesForGroupVersion(gvk.GroupVersion().String())
	if err != nil {
		return false, false
	}
	return slices.ContainsFunc(list.APIResources, func(r metav1.APIResource) bool { return r.Name == m.Resource.Resource+"/status" }), true
}

// KindNamed finds a kind by its name, singular or plural, with or without its group.
func (d *Discovery) KindNamed(name string) (*meta.RESTMapping, error) {
	resource, group, _ := strings.Cut(name, ".")
	groups, err := restmapper.GetAPIGroupResources(d.client)
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return nil, fmt.Errorf("ask the API server %s for its APIs: %w", d.host, err)
	}
	mapper := restmapper.NewShortcutExpander(restmapper.NewDiscoveryRESTMapper(groups), d.client, nil)
	gvk, err := mapper.KindFor(schema.GroupVersionResource{Group: group, Resource: strings.ToLower(resource)})
	if err != nil {
		return nil, fmt.Errorf("the cluster has no kind %s: %w", name, err)
	}
	return mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
}
