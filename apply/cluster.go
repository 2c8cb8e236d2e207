// Package apply compares what a release wants with what a cluster has, and
// makes the cluster have it: plan, preflight, server-side apply, health, prune.
//
// It does not know git, charts or commits, decides nothing about when or whether
// to deploy, and neither logs nor meters: it returns values and errors. It is
// the only writer of objects.
package apply

import (
	"sync"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source/outbound"
)

// Cluster is one environment's view of a Kubernetes cluster. It is safe for
// concurrent use.
type Cluster struct {
	*kube.Client
	*kube.Documents
	Environment string
	Records     *record.Store
	Live        *Live
	// Reach says what the addresses of checks may lead to; it is set before the first.
	Reach outbound.Rule

	scalers *autoscalers

	mu      sync.Mutex
	inPlace map[manifest.ID]placed
	rules   *health.Rules          // on health, beside the built-in ones
	judged  map[manifest.ID]judged // what was last found of an object's health
	pods    map[string]*podCache   // by namespace
}

// Connect returns a Cluster for one environment, with a pace of its own if none is
// given. It sends no request: a server that is away shows at the first use.
func Connect(config *rest.Config, environment string, changed Changed, pace *kube.Pace) (*Cluster, error) {
	client, err := kube.NewClient(config, pace)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Client: client, Documents: kube.NewDocuments(client, environment), Environment: environment,
		Records: record.NewStore(client.Typed, client.Metadata, client.Turns.Acquire),
		inPlace: map[manifest.ID]placed{}, judged: map[manifest.ID]judged{}, pods: map[string]*podCache{},
	}
	c.Live = newLive(c, changed)
	c.scalers = &autoscalers{cluster: c, spaces: map[string]*watch{}}
	return c, nil
}

// Rediscover forgets what the API server can do; call it after CRDs changed.
func (c *Cluster) Rediscover() {
	c.Live.reconsider()
	c.Refresh()
}
