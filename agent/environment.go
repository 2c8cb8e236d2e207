package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/lead"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source"
)

// environment keeps one environment. Its pass runs in one goroutine at a time. What others
// touch lies in parts that have a lock of their own; all else is the loop's alone.
type environment struct {
	agent *Agent
	name  string
	ref   source.Ref
	log   *slog.Logger

	cluster    *apply.Cluster
	references *kube.References
	renderer   *render.Renderer
	reporter   *report.Reporter
	candidate  *lead.Candidate

	inbox     *inbox    // what others tell the loop
	histories histories // the releases, by their records
	baselines baselines // what their objects were when last surveyed
	fights    fights    // what is changed again each time it is put back
	rollouts  rollouts  // what is being carried out
	bulletin  bulletin  // what is to be told
	labels    labels    // the namespace's
	stored    stored    // where the ledger is stored

	desired *desired       // what git asks for
	ledger  *ledger.Ledger // what the last look left; nil before the first
	retries *retries       // what is tried again, and when
}

// releaseKey identifies a release in the cluster, as in Helm.
type releaseKey struct{ namespace, name string }

func (k releaseKey) String() string { return k.namespace + "/" + k.name }

// unconnected returns an environment that has no cluster yet.
func unconnected(a *Agent, name string) *environment {
	e := &environment{agent: a, name: name, ref: a.opts.Refs[name], inbox: newInbox()}
	e.log = slog.New(veiledLog{a.log.Handler(), e.bulletin.veil.text}).With("environment", name)
	e.forget()
	return e
}

func newEnvironment(a *Agent, name string, config *rest.Config, pace *kube.Pace) (*environment, error) {
	e := unconnected(a, name)
	a.metrics.Begin(name)
	c, err := apply.Connect(config, name, e.changed, pace)
	if err != nil {
		return nil, fmt.Errorf("environment %s: %w", name, err)
	}
	e.connected(c)
	o := a.opts
	e.candidate = &lead.Candidate{Environment: name, Namespace: o.Namespace, Identity: o.Identity, Cluster: c, Log: e.log, Now: o.Now,
		Failed: func() { a.metrics.LeaseFailed(name) }, Turned: func(leads bool) { a.turned(e, leads) }}
	return e, nil
}

// connected has the environment read and write one cluster, and refer to it.
func (e *environment) connected(c *apply.Cluster) {
	e.cluster, e.references = c, c.References(e.moved)
	o := e.agent.opts
	c.Reach = o.Reach
	e.renderer = e.agent.renderer.With(e.references, o.Keys.For(e.references, e.name, o.Namespace))
	e.reporter = report.New(e.name, e.log, e.agent.metrics, func(ctx context.Context, name, kind, reason, text string) (bool, error) {
		return c.Emit(ctx, e.stored.document(), name, kind, reason, e.bulletin.veil.text(text), o.Now())
	})
}

// forget drops all that was remembered of the cluster: another leader may have
// changed it.
func (e *environment) forget() {
	e.inbox.forget()
	e.histories.forget()
	e.baselines.forget()
	e.fights.forget()
	e.rollouts.forget()
	e.bulletin.forget()
	e.labels.forget()
	e.stored.forget()
	e.desired, e.retries, e.ledger = newDesired(), newRetries(), nil
}

// hear takes note of a fetch. A ref that is not there any more changes nothing.
func (e *environment) hear(head source.Head) {
	why := reason(head.Err)
	news := e.inbox.goneFor(why)
	switch {
	case why == "":
		e.inbox.arrive(head)
	case news:
		e.log.Error("there is no head; the last good commit stays in force", "ref", string(e.ref), "error", why)
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// changed is told by the live cache of every event on our objects.
func (e *environment) changed(id manifest.ID, drifted bool) {
	if !drifted {
		e.inbox.nudge()
		return
	}
	e.inbox.touch(id, e.baselines.objects)
	e.inbox.trigger()
}

// run looks whenever something asks for it, until ctx ends.
func (e *environment) run(ctx context.Context) {
	e.forget()
	e.inbox.mistrustHead()
	e.agent.fetchNow()
	if err := e.cluster.WatchDocument(ctx, ledger.ControlDocument(e.name, e.agent.opts.Namespace), e.instructed); err != nil {
		e.log.Error("what people ask for can't be watched", "error", err)
	}
	defer e.rollouts.settled()
	var retry backoff
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	scan := e.newScan()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.inbox.wake:
		case <-timer.C:
		}
		e.rescan(scan)
		next := e.looked(ctx, e.look(ctx), &retry)
		e.sight(ctx)
		timer.Reset(min(next, e.until(scan.next), e.untilChange()))
	}
}

// looked logs how a look ended and says when to look again by itself.
func (e *environment) looked(ctx context.Context, err error, retry *backoff) time.Duration {
	switch {
	case err == nil:
		retry.reset()
		e.agent.metrics.Looked(e.name, nil)
		return e.retries.until(e.agent.opts.Now())
	case ctx.Err() != nil:
		return time.Hour
	case errors.Is(err, errInterrupted):
		return 0
	case errors.Is(err, errRefused):
		return min(max(e.retries.refusal.until.Sub(e.agent.opts.Now()), 0), e.retries.until(e.agent.opts.Now()))
	case errors.Is(err, errAway):
		e.agent.metrics.Looked(e.name, err)
		return min(max(e.retries.away.until.Sub(e.agent.opts.Now()), 0), e.retries.until(e.agent.opts.Now()))
	case len(e.retries.of) > 0:
		e.agent.metrics.Looked(e.name, err)
		return e.retries.until(e.agent.opts.Now())
	default:
		e.agent.metrics.Looked(e.name, err)
		next := retry.next()
		e.log.Warn("will try again", "error", err, "in", timeOf(next))
		return next
	}
}

// untilChange returns how long until a pause ends, a deploy window opens or closes,
// or there is progress to tell.
func (e *environment) untilChange() time.Duration {
	now := e.agent.opts.Now()
	if a := e.rollouts.underWay(); a != nil {
		if head := e.ledger.Head(); len(a.justEnded()) > 0 || head.Verdict == ledger.Progressing && e.rollouts.soFar(head) != head.Reason {
			return e.until(sooner(e.rollouts.published.Add(publishEvery), e.nextTelling(now)))
		}
	}
	next := sooner(e.inbox.controlNow().NextEnd(now), e.nextTelling(now))
	if e.retries.busyUntil.After(now) {
		next = sooner(next, e.retries.busyUntil)
	}
	if l := e.desired.loaded; l != nil && l.env != nil {
		_, change := decide.Closed(l.env.Windows, now)
		next = sooner(next, change)
	}
	return e.until(next)
}

// until returns how long until a moment; an hour if there is none.
func (e *environment) until(at time.Time) time.Duration {
	if at.IsZero() {
		return time.Hour
	}
	return max(at.Sub(e.agent.opts.Now()), 0)
}

// instructed takes note of what people ask for, and has it looked at.
func (e *environment) instructed(text string) {
	control, err := ledger.ParseControl(text)
	if err != nil {
		e.log.Error("what was asked for can't be read", "error", err)
		return
	}
	before := e.inbox.instruct(control)
	if !slices.Equal(before.Pauses, control.Pauses) {
		e.rollouts.stop(errPaused) // what may go on is decided anew
	}
	if control.Sync != nil && (before.Sync == nil || before.Sync.ID != control.Sync.ID) {
		e.agent.fetchNow()
	}
	e.inbox.trigger()
}
