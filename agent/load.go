package agent

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/xetys/tether/apply/realm"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// desired is what git asks for, as it was read last. It is the loop's.
type desired struct {
	loaded     *loaded  // the head's releases, prepared; nil before the first look
	unreported []string // references that changed, until the ledger says so
}

func newDesired() *desired { return &desired{} }

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

// load reads and prepares a commit's releases. A commit that was loaded is not
// read again, unless what it refers to in the cluster changed, or what it lacked may
// be there by now. What is wrong with it is in loaded.err and loaded.away; an error is
// about the clone, the cluster or the ledger.
func (e *environment) load(ctx context.Context, head source.Head) (*loaded, error) {
	moved := e.inbox.takeStirred()
	if l := e.desired.loaded; l != nil && l.commit == head.SHA && l.untrusted == reason(head.Untrusted) && len(moved) == 0 && !e.worthReading(l) {
		return l, nil
	}
	l, err := e.read(ctx, head)
	if err != nil {
		e.inbox.stir(moved...)
		return nil, err
	}
	e.desired.unreported = append(e.desired.unreported, moved...)
	if l.away == nil { // else it is not known yet what its inputs are
		e.reopen(l, e.desired.unreported)
		e.desired.unreported = nil
	}
	e.retain(l)
	e.desired.loaded = l
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
	if r := e.agent.reads; r != nil {
		r.JudgeBy(e.name, rules)
	}
}

// worthReading reports whether a commit that was not good may be by now: somebody
// publishes a chart, or corrects a login; or says so.
func (e *environment) worthReading(l *loaded) bool {
	now := e.agent.opts.Now()
	switch {
	case l.away != nil:
		return l.asked != e.inbox.requestNow() || !e.retries.away.pending(now)
	case l.err != nil:
		return e.retries.refusal.known(e.askedOf(l), now) == nil
	}
	return false
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
	asked := e.inbox.requestNow()
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
		e.retries.away = retry{}
		return
	}
	in := e.retries.away.next()
	e.retries.away.err, e.retries.away.until = l.away, e.agent.opts.Now().Add(in)
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
