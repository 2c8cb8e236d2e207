// Package apply compares what a release wants with what a cluster has, and
// makes the cluster have it: plan, preflight, server-side apply, health, prune.
//
// It does not know git, charts or commits, decides nothing about when or whether
// to deploy, and neither logs nor meters: it returns values and errors. It is
// the only writer of objects.
package apply

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source/outbound"
)

// Cluster is one environment's view of a Kubernetes cluster. It is safe for
// concurrent use.
type Cluster struct {
	*kube.Client
	*kube.Documents
	*live.Placements
	Environment string
	Records     *record.Store
	Live        *live.Cache
	// Reach says what the addresses of checks may lead to; it is set before the first.
	Reach outbound.Rule

	scalers *live.Autoscalers

	mu     sync.Mutex
	rules  *health.Rules          // on health, beside the built-in ones
	judged map[manifest.ID]judged // what was last found of an object's health
	pods   map[string]*podCache   // by namespace
}

// Connect returns a Cluster for one environment, with a pace of its own if none is
// given. It sends no request: a server that is away shows at the first use.
func Connect(config *rest.Config, environment string, changed live.Changed, pace *kube.Pace) (*Cluster, error) {
	client, err := kube.NewClient(config, pace)
	if err != nil {
		return nil, err
	}
	c := &Cluster{
		Client: client, Documents: kube.NewDocuments(client, environment), Environment: environment,
		Records:    record.NewStore(client.Typed, client.Metadata, client.Turns.Acquire),
		Placements: live.NewPlacements(), judged: map[manifest.ID]judged{}, pods: map[string]*podCache{},
	}
	c.Live = live.New(client, environment, c.Placements, live.Listeners{Changed: changed, Forgotten: c.forgetHealth})
	c.scalers = live.NewAutoscalers(client, c.Live)
	return c, nil
}

// Rediscover forgets what the API server can do; call it after CRDs changed.
func (c *Cluster) Rediscover() {
	c.Live.Reconsider()
	c.Refresh()
}

// InPlace reports whether every object that a plan applies is in the cluster as it
// was left, so that nothing has to be asked about it.
func (c *Cluster) InPlace(p plan.Plan) bool {
	for _, ch := range p.Changes {
		switch {
		case ch.Action == plan.Delete || ch.Action == plan.Keep:
		case ch.Object == nil && !c.Live.StillInPlace(ch.ID), ch.Object != nil && !c.Live.KnownInPlace(ch.Object):
			return false
		}
	}
	return true
}

// Blind returns what can't be watched now, one error for each kind and namespace.
func (c *Cluster) Blind() []*live.BlindError {
	out := slices.Concat(c.Live.Blind(), c.scalers.Blind(time.Now()))
	slices.SortFunc(out, func(a, b *live.BlindError) int {
		return cmp.Or(strings.Compare(a.Kind.String(), b.Kind.String()), strings.Compare(a.Namespace, b.Namespace))
	})
	return out
}
