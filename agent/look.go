package agent

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// errRefused says that the head was refused; its verdict says why.
var errRefused = errors.New("the commit is refused")

// errAway says that the head needs what can't be had now; its verdict says what.
var errAway = errors.New("the commit can't be read to its end")

// loaded is a commit's releases, prepared: read, merged, checked and digested.
type loaded struct {
	commit    string
	untrusted string // why it is not trusted
	gone      bool   // the environment's folder is not there any more
	env       *render.Environment
	targets   []target
	spaces    []string            // the namespaces that it makes exist
	inForce   *render.Environment // how drift is dealt with; of the last good commit if this one is refused; nil if unknown
	err       error               // the commit is refused for it
	inputs    string              // its fingerprint
	away      error               // what it needs from elsewhere can't be had now; the commit is neither good nor refused
	files     fs.FS               // the commit's tree
	realm     realm.Realm         // what the environment may touch
	claims    claims              // what its environments list; nil before somebody asks
	asked     string              // the last request of a person when it was begun to be read

	namespaces ensured // in the rollouts of the last look
}

// unread says why the commit can't be carried out; nil if it can.
func (l *loaded) unread() error { return cmp.Or(l.err, l.away) }

func (l *loaded) atomic() bool { return l.env != nil && l.env.Atomic }

type target struct {
	spec     render.ReleaseSpec
	prepared *render.Prepared
}

// look is one look at git and the cluster, and what follows from it. It returns
// nil when there is nothing left to do but to wait for what is under way,
// errRefused when the head changes nothing because it can't be had, errInterrupted
// when it is to be decided anew at once, and any other error when it is worth
// another look later.
func (e *environment) look(ctx context.Context) error {
	if a := e.underWay(); a != nil {
		if a.ended() {
			return e.conclude(ctx, a)
		}
		if err := e.heed(ctx, a); err != nil {
			return err
		}
		return e.tend(ctx, a)
	}
	head := e.headNow()
	if head.SHA == "" {
		return nil
	}
	if err := e.enter(ctx, head.Commit); err != nil {
		return err
	}
	seen, err := e.see(ctx, head)
	if errors.Is(err, errInterrupted) {
		e.ended++
		return err
	}
	e.ended = 0
	if err == nil {
		err = e.settleRecords(ctx, seen.jobs)
	}
	if err == nil {
		err = e.yield(ctx, seen.jobs)
	}
	if err != nil {
		e.undecided(ctx, err)
		return err
	}
	if err := e.labelNamespace(ctx, seen); err != nil {
		e.undecided(ctx, err)
		return err
	}
	if a := e.start(ctx, seen); a.ended() {
		return e.conclude(ctx, a)
	}
	return nil
}

// seen is what a look found, and what was decided.
type seen struct {
	load     *loaded
	jobs     []*job
	refusals []string
	trouble  error // why what changes could not be surveyed; it is tried again
}

// see reads and decides; it writes nothing. A newer head ends the reading and rendering
// of an older one, which may take long.
func (e *environment) see(ctx context.Context, head source.Head) (*seen, error) {
	reading, done := e.reading(ctx, head)
	defer done(nil)
	s := &seen{}
	var err error
	if s.load, err = e.load(reading, head); err != nil {
		return nil, superseded(reading, err)
	}
	if s.jobs, err = e.jobs(ctx, s.load); err != nil {
		return nil, err
	}
	err = e.prepare(ctx, reading, s)
	if err == nil {
		err = e.giveUpBlocked(ctx, s.load, s.jobs)
	}
	return s, superseded(reading, err)
}

// mostEnded is how many readings newer heads end before one goes on to its end: where
// commits come faster than they are rendered, none would be carried out, and no drift put
// back.
const mostEnded = 3

// reading returns a context that ends when the head is not the newest any more, and
// what ends it.
func (e *environment) reading(ctx context.Context, head source.Head) (context.Context, context.CancelCauseFunc) {
	ctx, stop := context.WithCancelCause(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended >= mostEnded {
		e.stopReading = func(error) {}
		return ctx, stop
	}
	e.stopReading = stop
	if e.head.SHA != head.SHA && e.head.Untrusted == nil {
		stop(errSuperseded)
	}
	return ctx, stop
}

// superseded tells an error that is there since the reading was ended from others.
func superseded(reading context.Context, err error) error {
	if cause := context.Cause(reading); err != nil && errors.Is(cause, errInterrupted) {
		return cause
	}
	return err
}

// giveUpBlocked takes back what was begun and can't be gone on with, since a
// release that it depends on is held.
func (e *environment) giveUpBlocked(ctx context.Context, l *loaded, jobs []*job) error {
	byName := byKey(jobs)
	blocked := order(jobs, l.atomic()).Blocked(func(name string) bool { return byName[name].fails() })
	for _, j := range jobs {
		by := blocked[j.key.String()]
		if by == nil || j.decision.Act != decide.Resume || j.goesBack() {
			continue
		}
		j.state.Blocked = "blocked by " + strings.Join(releaseNames(by), ", ")
		j.release = nil
		j.decide()
		if err := e.keep(ctx, l, j); err != nil {
			return err
		}
	}
	return nil
}

func (e *environment) headNow() source.Head {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.head
}

func (e *environment) underWay() *active {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.active
}

// load reads and prepares a commit's releases. A commit that was loaded is not
// read again, unless what it refers to in the cluster changed, or what it lacked may
// be there by now. What is wrong with it is in loaded.err and loaded.away; an error is
// about the clone, the cluster or the ledger.
func (e *environment) load(ctx context.Context, head source.Head) (*loaded, error) {
	moved := e.stirredNow()
	if l := e.loaded; l != nil && l.commit == head.SHA && l.untrusted == reason(head.Untrusted) && len(moved) == 0 && !e.worthReading(l) {
		return l, nil
	}
	l, err := e.read(ctx, head)
	if err != nil {
		e.stir(moved)
		return nil, err
	}
	e.unreported = append(e.unreported, moved...)
	if l.away == nil { // else it is not known yet what its inputs are
		e.reopen(l, e.unreported)
		e.unreported = nil
	}
	e.retain(l)
	if e.loaded == nil || !sameTerms(e.loaded.inForce, l.inForce) {
		e.doubtAll()
	}
	e.loaded = l
	e.judgeBy(l.inForce)
	return l, nil
}

// judgeBy has objects' health judged by an environment's rules, and by the agent's
// where it has none for a kind.
func (e *environment) judgeBy(env *render.Environment) {
	rules := e.agent.opts.Health
	if env != nil {
		rules = env.Health.Then(rules)
	}
	e.cluster.SetHealthRules(rules)
}

// worthReading reports whether a commit that was not good may be by now: somebody
// publishes a chart, or corrects a login; or says so.
func (e *environment) worthReading(l *loaded) bool {
	now := e.agent.opts.Now()
	switch {
	case l.away != nil:
		return l.asked != e.requestNow() || !e.away.pending(now)
	case l.err != nil:
		return e.refusal.known(e.askedOf(l), now) == nil
	}
	return false
}

// sameTerms reports whether drift is dealt with in the same way.
func sameTerms(a, b *render.Environment) bool {
	return a == b || a != nil && b != nil && a.Drift == b.Drift && reflect.DeepEqual(a.Ignore, b.Ignore)
}

// doubtAll has every release surveyed anew.
func (e *environment) doubtAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, h := range e.held {
		stale := *h
		stale.stale = true
		e.held[key] = &stale
	}
}

func (e *environment) read(ctx context.Context, head source.Head) (*loaded, error) {
	if head.Untrusted != nil {
		l := &loaded{commit: head.SHA, untrusted: reason(head.Untrusted), err: head.Untrusted, inForce: e.lastGood()}
		return l, e.bound(ctx, l)
	}
	rev, err := e.agent.repo.Revision(head.SHA)
	if err != nil {
		return nil, err
	}
	asked := e.requestNow()
	l, err := e.readTree(ctx, rev.Files, head.SHA)
	if err != nil {
		return nil, err
	}
	l.asked = asked
	if l.unread() != nil {
		l.inForce = e.lastGood()
	}
	l.inputs = l.fingerprint()
	e.postponeRead(l)
	return l, e.keepResolved(ctx, l)
}

// postponeRead has a commit read again later, the later the more often it was.
func (e *environment) postponeRead(l *loaded) {
	if l.away == nil {
		e.away = retry{}
		return
	}
	in := e.away.next()
	e.away.err, e.away.until = l.away, e.agent.opts.Now().Add(in)
	e.log.Warn("will try again", "error", l.away, "in", timeOf(in))
}

// keepResolved puts into the ledger what the commit's charts were resolved to,
// before anything is done with it: after a restart, here or elsewhere, they are the
// same.
func (e *environment) keepResolved(ctx context.Context, l *loaded) error {
	if l.env == nil || l.gone || l.unread() != nil { // what was resolved is not all there is to resolve
		return nil
	}
	head, used := e.ledger.Head(), l.env.Pins.Used()
	if len(used) == 0 || slices.Equal(head.Charts, used) {
		return nil
	}
	head.Charts = used
	return e.store(ctx)
}

// readTree reads and prepares the releases of a commit's tree. An error is not about
// what the tree holds: what it refers to can't be asked for, or nothing be rendered.
func (e *environment) readTree(ctx context.Context, files fs.FS, commit string) (*loaded, error) {
	l := &loaded{commit: commit, files: files}
	if !render.HasEnvironment(files, e.name) && len(e.ledger.Releases) > 0 {
		l.gone, l.env = true, &render.Environment{Name: e.name, Namespace: e.ledger.Namespace}
		l.inForce = l.env
		l.spaces = []string{e.ledger.Namespace}
		return l, e.bound(ctx, l)
	}
	l.env, l.err = render.LoadEnvironment(files, e.name)
	if err := e.bound(ctx, l); err != nil || l.err != nil {
		return l, err
	}
	l.inForce = l.env
	others, own := e.ledger.Pins(commit)
	l.env.Pins.Keep(others, false)
	l.env.Pins.Keep(own, true)
	var problems []error
	for _, spec := range l.env.Releases {
		p, err := e.renderer.Prepare(ctx, files, l.env, spec)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		var away *render.AwayError
		if errors.As(err, &away) {
			l.away = err // the others would wait for the same host
			break
		}
		var wrong render.Problems
		if err != nil && !errors.As(err, &wrong) {
			return nil, err
		}
		if err != nil {
			problems = append(problems, err)
			if render.Exceeds(err) {
				break // each other one might take as long
			}
			continue
		}
		l.targets = append(l.targets, target{spec, p})
	}
	l.err = errors.Join(problems...)
	l.spaces = spacesOf(l)
	return l, nil
}

// lastGood returns what the last good commit says of the environment; nil if there
// is none, or it can't be read any more.
func (e *environment) lastGood() *render.Environment {
	if e.ledger.Applied == nil {
		return nil
	}
	rev, err := e.agent.repo.Revision(e.ledger.Applied.Commit)
	if err != nil {
		return nil
	}
	env, err := render.LoadEnvironment(rev.Files, e.name)
	if err != nil {
		return nil
	}
	return env
}

func spacesOf(l *loaded) []string {
	out := []string{l.env.Namespace}
	for _, t := range l.targets {
		out = append(out, t.spec.Namespace)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func short(sha string) string { return sha[:min(7, len(sha))] }
