// Package inspect reads from a cluster what a release has there, and whether there is room for
// more, without a dry-run.
//
// It does not know how a release is surveyed or deployed, and writes nothing.
package inspect

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/plan"
)

// Inspector reads the objects of one environment. It is safe for concurrent use.
type Inspector struct {
	client      *kube.Client
	live        *live.Cache
	environment string
}

// New returns an Inspector of an environment.
func New(client *kube.Client, cache *live.Cache, environment string) *Inspector {
	return &Inspector{client: client, live: cache, environment: environment}
}

// Read reads an object from the server; nil without an error if it, or its kind, does not exist.
func (in *Inspector) Read(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	return in.client.Read(ctx, u)
}

// InPlace reports whether every object that a plan applies is in the cluster as it
// was left, so that nothing has to be asked about it.
func (in *Inspector) InPlace(p plan.Plan) bool {
	for _, ch := range p.Changes {
		switch {
		case ch.Action == plan.Delete || ch.Action == plan.Keep:
		case ch.Object == nil && !in.live.StillInPlace(ch.ID), ch.Object != nil && !in.live.KnownInPlace(ch.Object):
			return false
		}
	}
	return true
}
