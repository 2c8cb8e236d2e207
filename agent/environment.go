package agent

import (
	"context"
	"log/slog"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/desired"
	"github.com/xetys/tether/agent/inbox"
	"github.com/xetys/tether/agent/lead"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/namespace"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/promote"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/agent/veil"
	"github.com/xetys/tether/agent/verdict"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/source"
)

// environment keeps one environment as git asks for. One pass runs at a time. State lies in
// parts: inbox, rollouts and what was observed have locks of their own; desired, verdicts and
// releases are for the loop alone.
type environment struct {
	*assess.Site // the environment in its cluster, and what was observed of it

	agent     *process
	ref       source.Ref
	log       *slog.Logger
	candidate *lead.Candidate

	inbox    *inbox.Inbox      // what others tell the loop
	rollouts deploy.Rollouts   // what is under way
	desired  desired.Desired   // what git asks for
	verdicts verdict.Writer    // the ledger
	releases verdict.Releases  // what the ledger says of releases
	labels   *namespace.Labels // the namespace's
	promotes *promote.Promoter // nil if nothing is promoted
}

// unconnected returns an environment that has no cluster yet.
func unconnected(a *process, name string) *environment {
	o := a.opts
	e := &environment{agent: a, ref: o.Refs[name], inbox: inbox.New()}
	e.Site = &assess.Site{Environment: name, Observed: &observed.State{}, Veil: &veil.Veil{}, Homes: &a.homes, Listener: listener{e}, Files: a.files,
		Config: assess.Config{Home: o.Namespace, Environments: len(o.Environments), Refs: o.Refs, Limits: o.Limits, Keys: o.Keys, Now: o.Now}}
	e.log = slog.New(veil.Log{Handler: a.log.Handler(), Text: e.Veil.Text}).With("environment", name)
	e.verdicts.Site, e.verdicts.Repository, e.verdicts.Ref, e.verdicts.Log = e.Site, o.Repository, e.ref, e.log
	e.releases.Writer, e.releases.UnhealthyAfter = &e.verdicts, o.UnhealthyAfter
	e.desired = desired.Desired{Site: e.Site, Inbox: e.inbox, Verdicts: &e.verdicts, Log: e.log, Rules: o.Health, JudgeBy: func(rules *health.Rules) { judgeBy(e, rules) }}
	e.labels = &namespace.Labels{Site: e.Site, Inbox: e.inbox, Messages: &e.verdicts.Messages}
	e.forget()
	return e
}

// connected has the environment read and write one cluster, and refer to it.
func (e *environment) connected(c *apply.Cluster) {
	e.Cluster, e.References = c, c.References(e.referenceChanged)
	o := e.agent.opts
	c.Verifier.Reach = o.Reach
	c.Waiter.ReadLogs(!o.NoContainerLogs)
	e.Renderer = e.agent.renderer.With(e.References, o.Keys.For(c.OwnReferences(e.referenceChanged), e.Environment, o.Namespace))
	e.verdicts.Reporter = report.New(e.Environment, e.log, e.agent.metrics, func(ctx context.Context, name, kind, reason, text string) (bool, error) {
		return c.Emit(ctx, e.verdicts.Stored.Document(), name, kind, reason, e.Veil.Text(text), o.Now())
	})
}

// forget drops all that was remembered of the cluster: another leader may have changed it.
func (e *environment) forget() {
	e.inbox.Forget()
	e.Observed.Forget()
	e.rollouts.Clear()
	e.desired.Clear()
	e.verdicts.Clear()
	e.labels.Clear()
}

// judgeBy has objects' health judged by rules, here and for readers.
func judgeBy(e *environment, rules *health.Rules) {
	e.Cluster.Judge.SetRules(rules)
	if r := e.agent.reads; r != nil {
		r.JudgeBy(e.Environment, rules)
	}
}

// assessor returns who assesses the environment, with what is known now.
func (e *environment) assessor() *assess.Assessor {
	control := e.inbox.Control()
	return &assess.Assessor{Surveyor: &assess.Surveyor{Site: e.Site, Confirmed: control.Confirmed, Rolling: e.rollouts.RollsOut},
		Ledger: e.verdicts.Ledger, Control: control, Tried: e.verdicts.Retries.Asked, UnderWay: e.rollouts.Current() != nil,
		Waits: func(key observed.Key) error { return e.verdicts.Retries.Waits(key, e.Now()) }}
}

// executor returns who rolls the releases of a commit out.
func (e *environment) executor(a *assess.Assessor, l *assess.Commit) *rollout.Executor {
	return rollout.New(a.Surveyor, rollout.Options{Commit: l, Request: a.Control.Request(), HistoryMax: e.agent.opts.HistoryMax, Log: e.log, Metrics: e.agent.metrics, Event: e.verdicts.Reporter.Event,
		Waiting: func(key observed.Key, what string) {
			e.rollouts.SetWaiting(key, what)
			e.inbox.TriggerSoon()
		},
		Reverts:    ledger.Reverts(e.verdicts.Ledger.Entries),
		Background: &e.rollouts.Background})
}
