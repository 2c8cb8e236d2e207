// Package apply compares what a release wants with what a cluster has, and
// makes the cluster have it: plan, preflight, server-side apply, health, prune.
//
// It does not know git, charts or commits, decides nothing about when or whether
// to deploy, and neither logs nor meters: it returns values and errors. It is
// the only writer of objects.
package apply

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source/outbound"
)

// Cluster is one environment's view of a Kubernetes cluster. It is safe for
// concurrent use.
type Cluster struct {
	Environment string
	Records     *record.Store
	Live        *Live
	// Reach says what the addresses of checks may lead to; it is set before the first.
	Reach outbound.Rule

	config    *rest.Config
	kube      kubernetes.Interface
	unfenced  kubernetes.Interface // for Leases, and for what anybody may write
	dyn       dynamic.Interface
	meta      metadata.Interface
	discovery discovery.CachedDiscoveryInterface
	mapper    meta.ResettableRESTMapper
	direct    client.Client
	turns     *queue
	fence     *fence
	wall      *wall
	scalers   *autoscalers

	mu      sync.Mutex
	inPlace map[manifest.ID]placed
	rules   *health.Rules          // on health, beside the built-in ones
	judged  map[manifest.ID]judged // what was last found of an object's health
	pods    map[string]*podCache   // by namespace
	caps    *Capabilities
	kinds   map[schema.GroupVersionKind]*meta.RESTMapping // what was found of them; the mapper finds it anew each time

	discovered time.Time // when the API server was last asked what it can do, for want of a kind
}

// Connect returns a Cluster for one environment, with a pace of its own if none is
// given. It sends no request: a server that is away shows at the first use.
func Connect(config *rest.Config, environment string, changed Changed, pace *Pace) (*Cluster, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "tether"
	if pace == nil {
		pace = NewPace(0, nil)
	}
	config.Wrap(pace.wrap)
	// The API server's priority and fairness paces us; a limiter of our own
	// would only add waiting to it.
	config.QPS = -1
	typed := rest.CopyConfig(config)
	typed.ContentType, typed.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	unfenced, err := kubernetes.NewForConfig(typed)
	if err != nil {
		return nil, fmt.Errorf("set up a client of %s: %w", config.Host, err)
	}
	fence := &fence{}
	config.Wrap(fence.wrap)
	typed = rest.CopyConfig(typed)
	typed.Wrap(fence.wrap)
	kube, err := kubernetes.NewForConfig(typed)
	if err != nil {
		return nil, fmt.Errorf("set up a client of %s: %w", config.Host, err)
	}
	dyn, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("set up a client of %s: %w", config.Host, err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("set up a client of %s: %w", config.Host, err)
	}
	cached := memory.NewMemCacheClient(kube.Discovery())
	turns := pace.queue()
	c := &Cluster{
		Environment: environment, Records: record.NewStore(kube, meta, turns.acquire),
		config: config, kube: kube, unfenced: unfenced, dyn: dyn, meta: meta, discovery: cached,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(cached),
		turns:  turns, fence: fence, inPlace: map[manifest.ID]placed{}, judged: map[manifest.ID]judged{}, pods: map[string]*podCache{},
	}
	c.wall = &wall{kindOf: c.mapper.KindFor}
	config = rest.CopyConfig(config)
	config.Wrap(c.wall.wrap)
	if c.direct, err = client.New(config, client.Options{Mapper: c.mapper}); err != nil {
		return nil, fmt.Errorf("set up a client of %s: %w", config.Host, err)
	}
	c.Live = newLive(c, changed)
	c.scalers = &autoscalers{cluster: c, spaces: map[string]*watch{}}
	return c, nil
}

// Ping reports whether the API server answers, and as what version.
func (c *Cluster) Ping(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	raw, err := c.kube.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
	if err != nil {
		return "", fmt.Errorf("reach the API server %s: %w", c.config.Host, err)
	}
	return string(raw), nil
}

// Capabilities are what charts ask of a cluster (.Capabilities in Helm).
type Capabilities struct {
	KubeVersion string
	// APIVersions are "group/version" and "group/version/Kind".
	APIVersions []string
}

// Capabilities returns what the API server can do. It is read anew after
// Rediscover, and if that was not done just now.
func (c *Cluster) Capabilities() (Capabilities, error) {
	c.outdated()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.caps != nil {
		return *c.caps, nil
	}
	version, err := c.discovery.ServerVersion()
	if err != nil {
		return Capabilities{}, fmt.Errorf("ask the API server %s for its version: %w", c.config.Host, err)
	}
	// A group that is down must not hide the others.
	_, lists, err := c.discovery.ServerGroupsAndResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		return Capabilities{}, fmt.Errorf("ask the API server %s for its APIs: %w", c.config.Host, err)
	}
	caps := Capabilities{KubeVersion: version.GitVersion}
	for _, list := range lists {
		caps.APIVersions = append(caps.APIVersions, list.GroupVersion)
		for _, r := range list.APIResources {
			caps.APIVersions = append(caps.APIVersions, list.GroupVersion+"/"+r.Kind)
		}
	}
	c.caps = &caps
	return caps, nil
}

// Rediscover forgets what the API server can do; call it after CRDs changed.
func (c *Cluster) Rediscover() {
	c.Live.reconsider()
	c.forgetAPIs()
}

func (c *Cluster) forgetAPIs() {
	c.mu.Lock()
	c.caps, c.kinds, c.discovered = nil, nil, time.Now()
	c.mu.Unlock()
	c.mapper.Reset()
}

// Namespaced reports whether objects of a kind live in namespaces; known is
// false when the server does not have the kind (yet).
func (c *Cluster) Namespaced(gvk schema.GroupVersionKind) (namespaced, known bool) {
	m, err := c.mapping(gvk)
	if err != nil {
		return false, false
	}
	return m.Scope.Name() == meta.RESTScopeNameNamespace, true
}

func (c *Cluster) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	c.mu.Lock()
	known := c.kinds[gvk]
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	m, err := c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) && c.outdated() {
		m, err = c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	}
	if err != nil {
		return nil, fmt.Errorf("find the API for %s: %w", gvk, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kinds == nil {
		c.kinds = map[schema.GroupVersionKind]*meta.RESTMapping{}
	}
	c.kinds[gvk] = m
	return m, nil
}

// outdated has the API server asked anew what it can do, if that was not done
// just now: somebody may have installed a CRD since.
func (c *Cluster) outdated() bool {
	c.mu.Lock()
	due := time.Since(c.discovered) > 5*time.Second
	if due {
		c.discovered, c.caps, c.kinds = time.Now(), nil, nil
	}
	c.mu.Unlock()
	if due {
		c.mapper.Reset()
	}
	return due
}
