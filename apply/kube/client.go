// Package kube is the connection to an API server: clients and their concurrency, what the server
// can do, and the single objects that the agent reads or keeps for itself (ConfigMaps,
// Events, Leases, namespaces, objects that charts and values refer to).
//
// It does not know releases or plans, nor what an object is applied for.
package kube

import (
	"context"
	"fmt"
	"net/http"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Client is a connection to an API server: typed, dynamic and for objects of any kind. What
// an environment's releases are made of is read and written as the environment's account, if
// it has one; what the agent keeps for itself never is. It is safe for concurrent use.
type Client struct {
	*Discovery
	config   *rest.Config // redirects are for its user to judge
	Typed    kubernetes.Interface
	own      *ownClients
	Dynamic  dynamic.Interface
	Metadata metadata.Interface
	Direct   client.Client
	Turns    *Queue
	fence    *fence
	boundary *boundary
	Lifetime context.Context // ends what watches
	cancel   context.CancelFunc
}

// NewClient returns a Client that reads and writes as an account, or with the configuration's
// own user if that is empty; without a pace it gets its own. It sends no request: a server that
// can't be reached is an error of the first use.
func NewClient(config *rest.Config, as Account, pace *Pace) (*Client, error) {
	config = rest.CopyConfig(config)
	config.UserAgent = "tether"
	if pace == nil {
		pace = NewPace(0, nil)
	}
	// The API server's priority and fairness paces us; a limiter of our own
	// would only add waiting to it.
	config.QPS = -1
	// Warnings (an API that is deprecated, what a webhook has to say) are written by others,
	// and would go past the agent's log, its form and its secrets.
	config.WarningHandler, config.WarningHandlerWithContext = rest.NoWarnings{}, rest.NoWarnings{}
	open, fence := steady(config), &fence{}
	open.Wrap(pace.wrap)
	// A write may wait long for its turn: whether it may be sent is asked after that.
	config.Wrap(fence.wrap)
	config.Wrap(pace.wrap)
	config.Wrap(again)
	own, err := newOwnClients(open, steady(config))
	if err != nil {
		return nil, fmt.Errorf("set up a client of %s: %w", config.Host, err)
	}
	if as != (Account{}) {
		config.Impersonate = rest.ImpersonationConfig{UserName: as.User()}
	}
	plain := config
	config = steady(config)
	kube, err := kubernetes.NewForConfig(typedConfig(config))
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
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{
		Discovery: newDiscovery(config.Host, kube.DiscoveryClient), config: plain, Typed: kube, own: own, Dynamic: dyn, Metadata: meta,
		Turns: pace.queue(), fence: fence, Lifetime: ctx, cancel: cancel,
	}
	c.boundary = &boundary{kindOf: c.Mapper.KindFor}
	config = rest.CopyConfig(config)
	config.Wrap(c.boundary.wrap)
	if c.Direct, err = client.New(config, client.Options{Mapper: c.Mapper}); err != nil {
		cancel()
		return nil, fmt.Errorf("set up a client of %s: %w", config.Host, err)
	}
	return c, nil
}

// typedConfig returns a configuration for clients of Kubernetes' own kinds.
func typedConfig(config *rest.Config) *rest.Config {
	typed := rest.CopyConfig(config)
	typed.ContentType, typed.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	return typed
}

// HTTP returns a client for requests that no other client can send, with the same credentials,
// pace and fence. The caller decides which redirects are followed.
func (c *Client) HTTP() (*http.Client, error) { return rest.HTTPClientFor(c.config) }

// Close ends all watches.
func (c *Client) Close() { c.cancel() }
