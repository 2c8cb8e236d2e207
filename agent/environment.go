package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/report"
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

	lease    *troubleSaid
	reporter *report.Reporter

	references *apply.References
	renderer   *render.Renderer

	wake   chan struct{}  // a look is asked for; capacity one
	beside sync.WaitGroup // what goes on beside the looks

	mu          sync.Mutex
	head        source.Head
	gone        string                           // why there is no head, as it was told last
	dirty       map[manifest.ID]bool             // objects that may have drifted since they were last surveyed
	news        []news                           // what is to be told
	turns       []report.Turn                    // releases whose health turned, which is to be told
	repaired    []ledger.Act                     // drift that was put back, for the ledger
	scan        []releaseKey                     // what is left to do of a full scan
	trusting    bool                             // what records say of the cluster is believed: until the first full scan
	fights      fights                           // objects that are changed again each time they are put back
	nudged      bool                             // a look is asked for soon
	active      *active                          // what is being carried out, or nil
	stopReading context.CancelCauseFunc          // ends the reading and rendering of a head
	ended       int                              // how many of these newer heads ended in a row
	waitsFor    map[releaseKey]string            // what its rollouts wait for
	published   time.Time                        // when that was last put into the ledger
	locks       map[releaseKey]*sync.Mutex       // held by who works on a release
	ledger      *ledger.Ledger                   // what the last look left; nil before the first
	doc         apply.Document                   // where the ledger is stored
	stored      string                           // the text that is stored
	histories   map[releaseKey]record.History    // every release of the namespaces seen; nil before the first look
	scopes      map[string]bool                  // namespaces whose records were read
	remains     map[releaseKey][]manifest.Object // what is there of releases that have no record of it
	watched     map[string]bool                  // namespaces whose records are watched
	damaged     map[string]bool                  // records that were said to be damaged
	loaded      *loaded                          // the head's releases, prepared
	held        map[releaseKey]*held             // what each release's objects were when last surveyed
	retries     map[releaseKey]*retry            // releases that are in trouble, and tried again
	refusal     refusal                          // what the head was refused for
	away        retry                            // what the head needs from elsewhere, and could not be had
	control     ledger.Control                   // what people ask for
	retried     map[releaseKey]string            // the request for which a release was tried again
	blind       map[string]string                // kinds that can't be watched, and why
	dirtyMost   int                              // how large dirty may grow until it is tidied
	labelled    *loaded                          // the commit whose namespace labels are in place
	space       watched                          // the namespace whose labels are watched
	busyUntil   time.Time                        // until when a rollout that somebody else began is left to them
	unreported  []string                         // references that changed, until the ledger says so
	stirred     map[string]bool                  // what it refers to in the cluster that changed since it was read
	secrets     map[releaseKey]*render.Prepared  // what knows which values of a release are secret
}

// releaseKey identifies a release in the cluster, as in Helm.
type releaseKey struct{ namespace, name string }

func (k releaseKey) String() string { return k.namespace + "/" + k.name }

// held is what the cluster is held to for one release.
type held struct {
	revision int
	ids      []manifest.ID
	lasting  []manifest.ID // without what the cluster deletes by itself
	drift    []ledger.Drift
	foreign  []ledger.Drift
	stale    bool // it is to be surveyed anew
}

func newEnvironment(a *Agent, name string, config *rest.Config, pace *apply.Pace) (*environment, error) {
	e := &environment{
		agent: a, name: name, log: a.log.With("environment", name), wake: make(chan struct{}, 1),
		ref: a.opts.Refs[name],
	}
	e.lease = &troubleSaid{e: e}
	a.metrics.Begin(name)
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
	c.Reach = o.Reach
	e.renderer = e.agent.renderer.With(e.references, o.Keys.For(e.references, e.name, o.Namespace))
	e.reporter = report.New(e.name, e.log, e.agent.metrics, func(ctx context.Context, name, kind, reason, text string) (bool, error) {
		return c.Emit(ctx, e.document(), name, kind, reason, text, o.Now())
	})
}

// forget drops all that was remembered of the cluster: another leader may have
// changed it.
func (e *environment) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dirty = map[manifest.ID]bool{}
	e.ledger, e.doc, e.stored = nil, apply.Document{}, ""
	e.histories, e.scopes = map[releaseKey]record.History{}, map[string]bool{}
	e.remains = map[releaseKey][]manifest.Object{}
	e.watched, e.damaged = map[string]bool{}, map[string]bool{}
	e.loaded, e.held = nil, map[releaseKey]*held{}
	e.trusting, e.fights, e.scan = true, fights{}, nil
	e.active, e.locks = nil, map[releaseKey]*sync.Mutex{}
	e.secrets = map[releaseKey]*render.Prepared{}
	e.control, e.retried, e.stirred = ledger.Control{}, map[releaseKey]string{}, map[string]bool{}
	e.stopReading, e.ended = func(error) {}, 0
	e.labelled, e.space = nil, watched{}
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

// arrive takes note of the ref's head. A new one ends the reading of the old, but for one
// that is not trusted. What is under way goes on until the new one is read: it may leave
// that as it is.
func (e *environment) arrive(head source.Head) {
	e.mu.Lock()
	isNew := head.SHA != e.head.SHA || reason(head.Untrusted) != reason(e.head.Untrusted)
	e.head = head
	if isNew && head.Untrusted == nil {
		e.stopReading(errSuperseded)
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
	if err := e.cluster.WatchDocument(ctx, ledger.ControlDocument(e.name, e.agent.opts.Namespace), e.instructed); err != nil {
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
	e.beside.Wait()
}

// looked logs how a look ended and says when to look again by itself.
func (e *environment) looked(ctx context.Context, err error, retry *backoff) time.Duration {
	switch {
	case err == nil:
		retry.reset()
		e.agent.metrics.Looked(e.name, nil)
		return e.untilRetry()
	case ctx.Err() != nil:
		return time.Hour
	case errors.Is(err, errInterrupted):
		return 0
	case errors.Is(err, errRefused):
		return min(max(e.refusal.until.Sub(e.agent.opts.Now()), 0), e.untilRetry())
	case errors.Is(err, errAway):
		e.agent.metrics.Looked(e.name, err)
		return min(max(e.away.until.Sub(e.agent.opts.Now()), 0), e.untilRetry())
	case len(e.retries) > 0:
		e.agent.metrics.Looked(e.name, err)
		return e.untilRetry()
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
	if e.underWay() != nil {
		if head := e.ledger.Head(); head.Verdict == ledger.Progressing && e.waitingFor() != head.Reason {
			return e.until(sooner(e.published.Add(publishEvery), e.nextTelling(now)))
		}
	}
	next := sooner(e.controlNow().NextEnd(now), e.nextTelling(now))
	if e.busyUntil.After(now) {
		next = sooner(next, e.busyUntil)
	}
	if l := e.loaded; l != nil && l.env != nil {
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

// backoff is the time to wait before another try: doubled each time from one
// second up to a minute, give or take a fifth.
type backoff struct{ last time.Duration }

func (b *backoff) next() time.Duration {
	b.last = min(max(2*b.last, time.Second), time.Minute)
	return time.Duration(float64(b.last) * (0.8 + 0.4*rand.Float64()))
}

func (b *backoff) reset() { b.last = 0 }

var errPaused error = &interruption{"it was paused"}

// instructed takes note of what people ask for, and has it looked at.
func (e *environment) instructed(text string) {
	control, err := ledger.ParseControl(text)
	if err != nil {
		e.log.Error("what was asked for can't be read", "error", err)
		return
	}
	e.mu.Lock()
	before := e.control
	e.control = control
	if a := e.active; a != nil && !slices.Equal(before.Pauses, control.Pauses) {
		a.stop(errPaused) // what may go on is decided anew
	}
	e.mu.Unlock()
	if control.Sync != nil && (before.Sync == nil || before.Sync.ID != control.Sync.ID) {
		e.agent.fetchNow()
	}
	e.trigger()
}

func (e *environment) controlNow() ledger.Control {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.control
}
