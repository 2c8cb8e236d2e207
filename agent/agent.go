// Package agent is the loop: each pass reads git and the cluster, decides, deploys, and writes
// the result to the ledger, events, metrics and log.
//
// It does not know git's protocol, how charts are rendered or how objects are applied; it
// holds no Kubernetes client of its own.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/agent/lead"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// Agent keeps environments tied to one repository, each to its own ref of it.
type Agent struct {
	process
	envs []*environment
}

// New returns an Agent. It sends nothing: Run and Once do.
func New(opts Options, repo source.Source, config *rest.Config, log *slog.Logger, m *report.Metrics) (*Agent, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.UnhealthyAfter == 0 {
		opts.UnhealthyAfter = DefaultUnhealthyAfter
	}
	if opts.HistoryMax == 0 {
		opts.HistoryMax = 10
	}
	a := &Agent{process: process{opts: opts, repo: repo, log: log, metrics: m, renderer: render.NewRenderer(opts.Render), poller: source.NewPoller(repo), leading: map[string]bool{}}}
	repo.OnSilence(a.serverSilent)
	pace := kube.NewPace(opts.Concurrency, m.Requested)
	for _, name := range opts.Environments {
		e, err := a.newEnvironment(name, config, pace)
		if err != nil {
			return nil, err
		}
		a.envs = append(a.envs, e)
		m.Follow(string(e.ref))
	}
	if opts.API != "" && opts.API != reads.ByNobody {
		readers, err := reads.New(config, opts.Namespace, opts.Environments, opts.Accounts, a.leads, opts.Now)
		if err != nil {
			return nil, err
		}
		a.reads = readers
		a.tellOfObjects(readers)
	}
	return a, nil
}

// tellOfObjects has readers be told what git says of objects, if the source knows.
func (a *Agent) tellOfObjects(readers *reads.Reads) {
	historian, ok := a.repo.(source.Historian)
	if !ok {
		return
	}
	readers.Teller = why.NewTeller(historian, a.opts.Render, a.opts.History)
	readers.Veil = func(environment string) func(string) string {
		for _, e := range a.envs {
			if e.Environment == environment && a.leads(environment) {
				return e.Veil.Text
			}
		}
		return nil
	}
}

// Close ends the watches.
func (a *Agent) Close() {
	for _, e := range a.envs {
		e.Cluster.Close()
	}
}

// Run polls the repository and keeps every environment that this process leads,
// until ctx ends.
func (a *Agent) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	errs := make([]error, len(a.envs))
	wg.Go(func() { a.poll(ctx) })
	for i, e := range a.envs {
		wg.Go(func() {
			errs[i] = e.candidate.Lead(ctx, e.run)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// leadChanged records that this process became an environment's leader, or is not any more.
func (a *Agent) leadChanged(e *environment, leads bool) {
	a.mu.Lock()
	led := a.leading[e.Environment]
	a.leading[e.Environment] = leads
	a.mu.Unlock()
	a.metrics.Leads(e.Environment, leads)
	switch {
	case leads:
		e.log.Info("leading", "identity", a.opts.Identity)
	case led:
		e.log.Warn("not leading any more", "identity", a.opts.Identity)
	}
}

func (a *Agent) poll(ctx context.Context) { a.poller.Run(ctx, a.opts.Interval, a.fetchedHeads) }

// fetchedHeads passes the result of a fetch to the environments, and wakes them.
func (a *Agent) fetchedHeads(heads source.Heads, err error) {
	a.mu.Lock()
	before := a.fetchErr
	a.fetchErr = err
	a.fetched = a.fetched || err == nil
	a.mu.Unlock()
	a.fetchEnded(err)
	if err != nil {
		for _, ref := range a.refs() {
			a.metrics.FetchFailed(ref)
		}
		if before == nil || steady(before) != steady(err) {
			a.log.Error("the repository can't be fetched; the last good commit stays in force", "error", err)
		}
		a.useClone()
		return
	}
	if before != nil {
		a.log.Info("the repository is back")
	}
	for _, ref := range a.refs() {
		if head := heads[source.Ref(ref)]; head.Err != nil {
			a.metrics.FetchFailed(ref)
		} else {
			a.metrics.Fetched(ref, head.SHA, a.opts.Now())
		}
	}
	for _, e := range a.envs {
		e.fetched(heads[e.ref])
	}
	a.useClone()
}

// refs returns what the environments follow, each ref once.
func (a *Agent) refs() []string {
	var out []string
	for _, e := range a.envs {
		if ref := string(e.ref); !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	return out
}

// follows reports whether a push to a ref, by its full name, concerns this agent.
func (a *Agent) follows(name string) bool {
	return slices.ContainsFunc(a.envs, func(e *environment) bool { return a.repo.Matches(e.ref, name) })
}

// useClone falls back on what was fetched last, if only by an earlier process, so that drift is
// corrected while the repository is away.
func (a *Agent) useClone() {
	for _, e := range a.envs {
		if e.inbox.Head().SHA != "" {
			continue
		}
		if last, err := a.repo.Last(e.ref); err == nil && last.Err == nil {
			e.inbox.SetHead(last)
		}
	}
}

// Once fetches the head and reconciles every environment until each has a verdict. It returns an error if one of them is not what git asks for.
func (a *Agent) Once(ctx context.Context) error {
	heads, err := a.repo.Fetch(ctx)
	a.fetchedHeads(heads, err)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range a.envs {
		if err := heads[e.ref].Err; err != nil {
			errs = append(errs, fmt.Errorf("environment %s: %w", e.Environment, err))
			continue
		}
		errs = append(errs, e.once(ctx))
	}
	return errors.Join(errs...)
}

// alive is what /healthz says: the process answers, so it is.
func (a *Agent) alive() error { return nil }

// ready is what /readyz says: the repository was fetched once, and each
// environment is led by this process or stands by for another one's: its Lease can be had or seen.
func (a *Agent) ready() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.fetched {
		if a.fetchErr != nil {
			return fmt.Errorf("the repository was never fetched: %w", a.fetchErr)
		}
		return errors.New("the repository has not been fetched yet")
	}
	for _, e := range a.envs {
		if err := e.candidate.Trouble(); err != nil {
			return err
		}
	}
	return nil
}

// serverSilent enters that a git server sends nothing in the middle of a fetch. The fetch's result
// is reported when it has ended; a server that was silent before was reported.
func (a *Agent) serverSilent(host string, since time.Time) {
	a.mu.Lock()
	told := a.fetchErr != nil
	a.mu.Unlock()
	if told {
		return
	}
	a.log.Warn("the git server sends nothing in the middle of a fetch; the last good commit stays in force", "host", host, "since", since.UTC().Format(time.RFC3339))
	a.setAway(&ledger.Away{Since: since, Reason: fmt.Sprintf("%s sends nothing in the middle of a fetch", host)})
}

// fetchEnded records whether git can be reached.
func (a *Agent) fetchEnded(err error) {
	if err == nil {
		a.setAway(nil)
		return
	}
	a.setAway(&ledger.Away{Since: a.opts.Now(), Reason: steady(err)})
}

// ownAddress is this machine's, in an error of a connection: it has another port each time.
var ownAddress = regexp.MustCompile(`\S+:\d+->`)

// steady is what an error says, the same for the same trouble.
func steady(err error) string { return ownAddress.ReplaceAllString(err.Error(), "") }

// setAway keeps since when it is so, and has the environments tell.
func (a *Agent) setAway(now *ledger.Away) {
	a.mu.Lock()
	before := a.away
	if now != nil {
		now.Since, now.Reason = now.Since.UTC().Truncate(time.Second), ledger.Shorten(now.Reason)
		if before != nil {
			now.Since = before.Since
		}
	}
	a.away = now
	a.mu.Unlock()
	if before == nil && now == nil || before != nil && now != nil && *before == *now {
		return
	}
	for _, e := range a.envs {
		e.inbox.Trigger()
	}
}

// newEnvironment returns an environment in a cluster.
func (a *Agent) newEnvironment(name string, config *rest.Config, pace *kube.Pace) (*environment, error) {
	e := unconnected(&a.process, name)
	a.metrics.Begin(name)
	c, err := apply.Connect(config, name, apply.Options{Account: a.opts.Accounts.Of(name), Changed: e.objectChanged, Pace: pace})
	if err != nil {
		return nil, fmt.Errorf("environment %s: %w", name, err)
	}
	e.connected(c)
	o := a.opts
	e.candidate = &lead.Candidate{Environment: name, Namespace: o.Namespace, Identity: o.Identity, Cluster: c, Log: e.log, Now: o.Now,
		Failed: func() { a.metrics.LeaseFailed(name) }, Turned: func(leads bool) { a.leadChanged(e, leads) }}
	e.promotes = promoterOf(e, config, pace)
	return e, nil
}
