package agent

import (
	"context"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/page"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/web"
)

// Serve answers /healthz, /readyz, /metrics, /webhook and, as Options.API says, /api/v1 and
// the status page at / on address until ctx ends, and /debug/pprof if Options.Profiling is set.
// listening is called with the address that was really bound.
func (a *Agent) Serve(ctx context.Context, address string, gatherer prometheus.Gatherer, listening func(net.Addr)) error {
	hook := web.NewWebhook(ctx, a.opts.WebhookSecretFile, a.follows, a.pushed, a.metrics.Received(), a.log)
	server := web.Server{Alive: a.alive, Ready: a.ready, Metrics: gatherer, Webhook: hook, Profiling: a.opts.Profiling, Log: a.log}
	if a.reads != nil {
		gate := a.reads.Gate(a.opts.API)
		server.API = a.reads.Handler(gate, a.log)
		pages := page.Pages{Reader: a.reads, Gate: gate, SignIn: a.opts.API == reads.ByToken, Now: a.opts.Now, Log: a.log}
		server.Page = pages.Handler()
	}
	return server.Serve(ctx, address, listening)
}

// pushed has the repository fetched: by this process, and for an environment that
// another one leads by that one, which watches for it.
func (a *Agent) pushed(ctx context.Context, provider string) {
	a.log.Info("a push was announced", "provider", provider)
	a.fetchNow()
	now := a.opts.Now()
	for _, e := range a.envs {
		if a.leads(e.Environment) {
			continue
		}
		err := ledger.AskFetch(ctx, e.Cluster, a.opts.Namespace, "webhook of "+provider, now)
		if err != nil {
			e.log.Warn("who leads can't be told of a push, and will see it when it polls", "error", err)
		}
	}
}
