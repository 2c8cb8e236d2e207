package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source"
)

// environment keeps one environment. Its pass runs in one goroutine at a time;
// only what mu guards is touched by others.
type environment struct {
	agent   *Agent
	name    string
	ref     source.Ref
	log     *slog.Logger
	cluster *apply.Cluster

	references *apply.References
	renderer   *render.Renderer

	wake chan struct{} // a look is asked for; capacity one

	mu          sync.Mutex
	head        source.Head
	gone        string                          // why there is no head, as it was told last
	dirty       map[manifest.ID]bool            // objects that may have drifted since they were last surveyed
	news        []news                          // what is to be told
	scan        []releaseKey                    // what is left to do of a full scan
	trusting    bool                            // what records say of the cluster is believed: until the first full scan
	fights      fights                          // objects that are changed again each time they are put back
	nudged      bool                            // a look is asked for soon
	active      *active                         // what is being carried out, or nil
	stopReading context.CancelCauseFunc         // ends the reading and rendering of a head
	ended       int                             // how many of these newer heads ended in a row
	waitsFor    map[releaseKey]string           // what its rollouts wait for
	published   time.Time                       // when that was last put into the ledger
	locks       map[releaseKey]*sync.Mutex      // held by who works on a release
	ledger      *Ledger                         // what the last look left; nil before the first
	doc         apply.Document                  // where the ledger is stored
	stored      string                          // the text that is stored
	histories   map[releaseKey]record.History   // every release of the namespaces seen; nil before the first look
	scopes      map[string]bool                 // namespaces whose records were read
	loaded      *loaded                         // the head's releases, prepared
	held        map[releaseKey]*held            // what each release's objects were when last surveyed
	behind      map[releaseKey]time.Time        // since when a release is not what git asks for
	retries     map[releaseKey]*retry           // releases that are in trouble, and tried again
	refusal     refusal                         // what the head was refused for
	away        retry                           // what the head needs from elsewhere, and could not be had
	control     Control                         // what people ask for
	retried     map[releaseKey]string           // the request for which a release was tried again
	blind       map[string]string               // kinds that can't be watched, and why
	dirtyMost   int                             // how large dirty may grow until it is tidied
	moves       []string                        // what of that is not in the ledger yet
	stirred     map[string]bool                 // what it refers to in the cluster that changed since it was read
	secrets     map[releaseKey]*render.Prepared // what knows which values of a release are secret
}

// releaseKey identifies a release in the cluster, as in Helm.
type releaseKey struct{ namespace, name string }

func (k releaseKey) String() string { return k.namespace + "/" + k.name }

// held is what the cluster is held to for one release.
type held struct {
	revision int
	ids      []manifest.ID
	lasting  []manifest.ID // without what the cluster deletes by itself
	drift    []ObjectDrift
	foreign  []ObjectDrift
	stale    bool // it is to be surveyed anew
}

func newEnvironment(a *Agent, name string, config *rest.Config, pace *apply.Pace) (*environment, error) {
	e := &environment{
		agent: a, name: name, log: a.log.With("environment", name), wake: make(chan struct{}, 1),
		ref: a.opts.Refs[name],
	}
	c, err := apply.Connect(config, name, e.changed, pace)
	if err != nil {
		return nil, fmt.Errorf("environment %s: %w", name, err)
	}
	e.connected(c)
	e.forget()
	return e, nil
}

// connected has the environment read and write one cluster, and refer to it.
func (e *environment) connected(c *apply.Cluster) {
	e.cluster, e.references = c, c.References(e.moved)
	o := e.agent.opts
	e.renderer = e.agent.renderer.With(e.references, o.Keys.For(e.references, e.name, o.Namespace))
}

// forget drops all that was remembered of the cluster: another leader may have
// changed it.
func (e *environment) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dirty = map[manifest.ID]bool{}
	e.ledger, e.doc, e.stored = nil, apply.Document{}, ""
	e.histories, e.scopes = map[releaseKey]record.History{}, map[string]bool{}
	e.loaded, e.held = nil, map[releaseKey]*held{}
	e.behind = map[releaseKey]time.Time{}
	e.trusting, e.fights, e.scan = true, fights{}, nil
	e.active, e.locks = nil, map[releaseKey]*sync.Mutex{}
	e.secrets = map[releaseKey]*render.Prepared{}
	e.control, e.retried, e.stirred = Control{}, map[releaseKey]string{}, map[string]bool{}
	e.stopReading, e.ended = func(error) {}, 0
	e.retries, e.refusal, e.away = map[releaseKey]*retry{}, refusal{}, retry{}
}

// hear takes note of a fetch. A ref that is not there any more changes nothing.
func (e *environment) hear(head source.Head) {
	why := reason(head.Err)
	e.mu.Lock()
	told := e.gone
	e.gone = why
	e.mu.Unlock()
	switch {
	case why == "":
		e.arrive(head)
	case why != told:
		e.log.Error("there is no head; the last good commit stays in force", "ref", string(e.ref), "error", why)
	}
}

// arrive takes note of the ref's head. A new one ends the reading of the old and the
// waits for it, but for one that is not trusted: what is under way goes on.
func (e *environment) arrive(head source.Head) {
	e.mu.Lock()
	isNew := head.SHA != e.head.SHA || reason(head.Untrusted) != reason(e.head.Untrusted)
	e.head = head
	if isNew && head.Untrusted == nil {
		e.stopReading(errSuperseded)
		if e.active != nil {
			e.active.stop(errSuperseded)
		}
	}
	e.mu.Unlock()
	if isNew {
		e.trigger()
	}
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// mistrustHead has the head fetched before the first look: who led before may have
// gone on to a newer one than this process has heard of.
func (e *environment) mistrustHead() {
	e.mu.Lock()
	e.head = source.Head{}
	e.mu.Unlock()
	e.agent.fetchNow()
}

// changed is told by the live cache of every event on our objects.
func (e *environment) changed(id manifest.ID, drifted bool) {
	if !drifted {
		e.nudge()
		return
	}
	e.mu.Lock()
	e.dirty[id] = true
	e.tidy()
	e.mu.Unlock()
	e.trigger()
}

// leastDirty is how many objects may be dirty before any is forgotten.
const leastDirty = 4096

// tidy forgets dirty objects that no release is held to, as hooks' are: a release
// that is not held is surveyed anyway. e.mu is held.
func (e *environment) tidy() {
	if len(e.dirty) <= max(e.dirtyMost, leastDirty) {
		return
	}
	kept := map[manifest.ID]bool{}
	for _, h := range e.held {
		for _, id := range h.ids {
			if e.dirty[id] {
				kept[id] = true
			}
		}
	}
	e.dirty, e.dirtyMost = kept, 2*len(kept)
}

// nudgePause is how long news of health may wait to be told: a rollout brings
// many at once.
const nudgePause = 500 * time.Millisecond

// nudge asks for a look soon.
func (e *environment) nudge() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.nudged {
		e.nudged = true
		time.AfterFunc(nudgePause, func() {
			e.mu.Lock()
			e.nudged = false
			e.mu.Unlock()
			e.trigger()
		})
	}
}

func (e *environment) trigger() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// run looks whenever something asks for it, until ctx ends.
func (e *environment) run(ctx context.Context) {
	e.forget()
	e.mistrustHead()
	if err := e.cluster.WatchDocument(ctx, controlOf(e.name, e.agent.opts.Namespace), e.instructed); err != nil {
		e.log.Error("what people ask for can't be watched", "error", err)
	}
	defer e.settled()
	var retry backoff
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	scan := e.newScan()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-timer.C:
		}
		e.rescan(scan)
		next := e.looked(ctx, e.look(ctx), &retry)
		e.sight(ctx)
		timer.Reset(min(next, e.until(scan.next), e.untilChange()))
	}
}

// settled waits until nothing is being carried out any more: who leads next must
// be the only one to write.
func (e *environment) settled() {
	if a := e.underWay(); a != nil {
		<-a.done
	}
}

// looked logs how a look ended and says when to look again by itself.
func (e *environment) looked(ctx context.Context, err error, retry *backoff) time.Duration {
	switch {
	case err == nil:
		retry.reset()
		e.agent.metrics.passes.WithLabelValues(e.name, "ok").Inc()
		return time.Hour
	case ctx.Err() != nil:
		return time.Hour
	case errors.Is(err, errInterrupted):
		return 0
	case errors.Is(err, errRefused):
		return min(max(e.refusal.until.Sub(e.agent.opts.Now()), 0), e.untilRetry())
	case errors.Is(err, errAway):
		e.agent.metrics.passes.WithLabelValues(e.name, "error").Inc()
		return min(max(e.away.until.Sub(e.agent.opts.Now()), 0), e.untilRetry())
	case len(e.retries) > 0:
		e.agent.metrics.passes.WithLabelValues(e.name, "error").Inc()
		return e.untilRetry()
	default:
		e.agent.metrics.passes.WithLabelValues(e.name, "error").Inc()
		next := retry.next()
		e.log.Warn("will try again", "error", err, "in", timeOf(next))
		return next
	}
}

// untilChange returns how long until a pause ends, a deploy window opens or closes,
// or there is progress to tell.
func (e *environment) untilChange() time.Duration {
	now := e.agent.opts.Now()
	if e.underWay() != nil {
		if head := e.ledger.Head(); head.Verdict == Progressing && e.waitingFor() != head.Reason {
			return e.until(e.published.Add(publishEvery))
		}
	}
	next := e.controlNow().nextEnd(now)
	if l := e.loaded; l != nil && l.env != nil {
		if _, change := closed(l.env.Windows, now); !change.IsZero() && (next.IsZero() || change.Before(next)) {
			next = change
		}
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

// once looks until the head has a verdict, and returns an error if it is not a
// good one.
func (e *environment) once(ctx context.Context) error {
	holder, err := e.cluster.LeaseHolder(ctx, e.agent.opts.Namespace, LeaseName(e.name), e.agent.opts.Now())
	if err != nil {
		return fmt.Errorf("environment %s: %w", e.name, err)
	}
	if holder != "" && holder != e.agent.opts.Identity {
		return fmt.Errorf("environment %s: %s leads it: stop that agent first, or leave it the work", e.name, holder)
	}
	var retry backoff
	const tries = 4
	for try := 1; ; try++ {
		err := e.look(ctx)
		if a := e.underWay(); err == nil && a != nil {
			<-a.done
			err = e.look(ctx)
		}
		switch {
		case err == nil || errors.Is(err, errRefused):
			return e.verdict()
		case errors.Is(err, errInterrupted):
			continue
		case ctx.Err() != nil:
			return fmt.Errorf("environment %s: interrupted; another run goes on with it", e.name)
		case try >= tries:
			return fmt.Errorf("environment %s: %w", e.name, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retry.next()):
		}
	}
}

// VerdictError says that an environment is not what git asks for.
type VerdictError struct {
	Environment string
	Entry
}

// Error says which commit got which verdict, and why.
func (v *VerdictError) Error() string {
	return fmt.Sprintf("environment %s: %s at %.7s: %s", v.Environment, v.Verdict, v.Commit.Commit, v.Reason)
}

func (e *environment) verdict() error {
	head := e.ledger.Head()
	if head == nil || head.Verdict == Applied || head.Verdict == NoOp {
		return nil
	}
	return &VerdictError{Environment: e.name, Entry: *head}
}

// backoff is the time to wait before another try: doubled each time from one
// second up to a minute, give or take a fifth.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, time.Second), time.Minute)
	return time.Duration(float64(b.last) * (0.8 + 0.4*rand.Float64()))
}

func (b *backoff) reset() { b.last = 0 }
