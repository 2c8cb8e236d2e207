package agent

import (
	"context"
	"log/slog"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/agent/veil"
	"github.com/xetys/tether/apply"
)

// unconnected returns an environment that has no cluster yet.
func unconnected(a *process, name string) *environment {
	o := a.opts
	e := &environment{agent: a, ref: o.Refs[name], inbox: newInbox()}
	e.Site = &assess.Site{Environment: name, Observed: &observed.State{}, Veil: &veil.Veil{}, Homes: &a.homes, Listener: listener{e}, Files: a.files,
		Config: assess.Config{Home: o.Namespace, Environments: len(o.Environments), Refs: o.Refs, Limits: o.Limits, Keys: o.Keys, Now: o.Now}}
	e.log = slog.New(veil.Log{Handler: a.log.Handler(), Text: e.Veil.Text}).With("environment", name)
	e.forget()
	return e
}

// connected has the environment read and write one cluster, and refer to it.
func (e *environment) connected(c *apply.Cluster) {
	e.Cluster, e.References = c, c.References(e.moved)
	o := e.agent.opts
	c.Reach = o.Reach
	e.Renderer = e.agent.renderer.With(e.References, o.Keys.For(e.References, e.Environment, o.Namespace))
	e.reporter = report.New(e.Environment, e.log, e.agent.metrics, func(ctx context.Context, name, kind, reason, text string) (bool, error) {
		return c.Emit(ctx, e.stored.document(), name, kind, reason, e.Veil.Text(text), o.Now())
	})
}
