package agent

import (
	"context"
	"log/slog"
	"sync"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/promote"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// promoterOf returns what promotes to an environment; nil if nothing is promoted by this process.
func promoterOf(e *environment, config *rest.Config, pace *kube.Pace) *promote.Promoter {
	o := e.agent.opts
	repo, takes := e.agent.repo.(interface {
		source.Source
		source.Pusher
	})
	if !o.Promote || !takes {
		return nil
	}
	rendering := o.Render
	rendering.References, rendering.Keys, rendering.Lenient = nil, nil, true // tags are no secrets
	doc := ledger.PromotionsDocument(e.Environment, o.Namespace)
	return &promote.Promoter{
		Environment: e.Environment, Ref: e.ref, Repository: repo, Renderer: render.NewRenderer(rendering), Now: o.Now,
		Cluster: &promotions{noticeStore: noticeStore{cluster: e.Cluster, doc: doc}, options: &e.agent.opts, config: config, pace: pace},
		Leads:   func() bool { return e.agent.leads(e.Environment) },
		Pushed:  e.agent.fetchNow,
		Say:     func(ctx context.Context, failed bool, text string) { sayPromotion(ctx, e, failed, text) },
	}
}

// promoting runs the promoter until ctx ends, which done waits for.
func promoting(ctx context.Context, e *environment) (done func()) {
	if e.promotes == nil {
		return func() {}
	}
	var running sync.WaitGroup
	running.Go(func() { e.promotes.Run(ctx, e.agent.opts.Interval) })
	return running.Wait
}

// sayPromotion logs what a promotion came to, and writes an event of the ledger's.
func sayPromotion(ctx context.Context, e *environment, failed bool, text string) {
	level, kind, reason := slog.LevelInfo, "Normal", "Promoted"
	if failed {
		level, kind, reason = slog.LevelWarn, "Warning", "NotPromoted"
	}
	e.log.Log(ctx, level, "promotion", "reason", text)
	e.verdicts.Reporter.Event(ctx, kind, reason, ledger.Shorten(text))
}

// promotions reads the environment that images are taken from, and keeps what was promoted.
type promotions struct {
	noticeStore
	options *Options
	config  *rest.Config
	pace    *kube.Pace

	from *apply.Cluster
}

// From implements promote.Cluster.
func (p *promotions) From(ctx context.Context, env *render.Environment) (*ledger.Ledger, *status.Status, error) {
	if p.from == nil || p.from.Environment != env.Name {
		c, err := apply.Connect(p.config, env.Name, apply.Options{Account: p.options.Accounts.Of(env.Name), Pace: p.pace})
		if err != nil {
			return nil, nil, err
		}
		if p.from != nil {
			p.from.Close()
		}
		p.from = c
	}
	rules := p.options.Health
	if env.Health != nil {
		rules = env.Health.Then(rules)
	}
	p.from.Judge.SetRules(rules)
	l, err := ledger.Read(ctx, p.from, p.options.Namespace)
	if err != nil {
		return nil, nil, err
	}
	st, err := status.Read(ctx, p.from, p.options.Namespace, p.options.Now())
	return l, st, err
}

// Control implements promote.Cluster.
func (p *promotions) Control(ctx context.Context) (ledger.Control, error) {
	return ledger.ReadControl(ctx, p.cluster, p.options.Namespace)
}
