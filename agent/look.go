package agent

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// errRefused says that the head was refused; its verdict says why.
var errRefused = errors.New("the commit is refused")

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

	namespaces ensured // in the rollouts of the last look
}

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
		if !a.ended() {
			return e.tend(ctx, a)
		}
		return e.conclude(ctx, a)
	}
	head := e.headNow()
	if head.SHA == "" {
		return nil
	}
	if err := e.enter(ctx, head.Commit); err != nil {
		return err
	}
	load, jobs, refusals, err := e.see(ctx, head)
	if err != nil {
		e.undecided(ctx, err)
		return err
	}
	if a := e.start(ctx, load, jobs, refusals); a.ended() {
		return e.conclude(ctx, a)
	}
	return nil
}

// see reads and decides; it writes nothing.
func (e *environment) see(ctx context.Context, head source.Head) (*loaded, []*job, []string, error) {
	load, err := e.load(ctx, head)
	if err != nil {
		return nil, nil, nil, err
	}
	jobs, err := e.jobs(ctx, load)
	if err != nil {
		return nil, nil, nil, err
	}
	refusals, err := e.prepare(ctx, load, jobs)
	if err == nil {
		err = e.giveUpBlocked(ctx, load, jobs)
	}
	return load, jobs, refusals, err
}

// giveUpBlocked takes back what was begun and can't be gone on with, since a
// release that it depends on is held.
func (e *environment) giveUpBlocked(ctx context.Context, l *loaded, jobs []*job) error {
	byName := byKey(jobs)
	blocked := order(jobs, l.atomic()).Blocked(func(name string) bool { return byName[name].fails() })
	for _, j := range jobs {
		by := blocked[j.key.String()]
		if by == nil || j.decision.Act != Resume || j.goesBack() {
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

// enter reads the ledger, if it was not read yet, and enters the head and what
// lies between it and the last commit seen.
func (e *environment) enter(ctx context.Context, head source.Commit) error {
	if e.ledger == nil {
		doc, err := e.cluster.ReadDocument(ctx, ledgerOf(e.name, e.agent.opts.Namespace))
		if err != nil {
			return err
		}
		ledger, err := ParseLedger(doc.Text)
		if err != nil {
			return err
		}
		control, err := ReadControl(ctx, e.cluster, e.agent.opts.Namespace)
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.control = control
		e.mu.Unlock()
		ledger.Environment, ledger.Repository, ledger.Branch = e.name, e.agent.opts.Repository, string(e.ref)
		e.ledger, e.doc, e.stored = ledger, doc, doc.Text
	}
	last := e.ledger.Head()
	if last != nil && last.Commit.Commit == head.SHA {
		return nil
	}
	commits := []source.Commit{head}
	if last != nil {
		between, err := e.agent.repo.Between(last.Commit.Commit, head.SHA, maxEntries)
		if err == nil && len(between) > 0 {
			commits = between
		}
	}
	e.ledger.Arrive(commits, e.agent.opts.Now())
	e.retries = map[releaseKey]*retry{}
	e.log.Info("new head", "commit", short(head.SHA), "subject", head.Subject, "author", head.Author)
	return nil
}

// LedgerName is the name of an environment's ledger.
func LedgerName(environment string) string { return "tether-" + environment }

func ledgerOf(environment, namespace string) apply.Document {
	return apply.Document{Namespace: namespace, Name: LedgerName(environment), Key: "ledger.json"}
}

// load reads and prepares a commit's releases. A commit that was loaded is not
// read again. What is wrong with it is in loaded.err; an error is about the clone.
func (e *environment) load(ctx context.Context, head source.Head) (*loaded, error) {
	if e.loaded != nil && e.loaded.commit == head.SHA && e.loaded.untrusted == reason(head.Untrusted) {
		return e.loaded, nil
	}
	l, err := e.read(ctx, head)
	if err != nil {
		return nil, err
	}
	if e.loaded == nil || !sameTerms(e.loaded.inForce, l.inForce) {
		e.doubtAll()
	}
	e.loaded = l
	return l, nil
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
		return &loaded{commit: head.SHA, untrusted: reason(head.Untrusted), err: head.Untrusted, inForce: e.lastGood()}, nil
	}
	rev, err := e.agent.repo.Revision(head.SHA)
	if err != nil {
		return nil, err
	}
	l := e.readTree(ctx, rev.Files, head.SHA)
	if l.err != nil {
		l.inForce = e.lastGood()
	}
	return l, nil
}

// readTree reads and prepares the releases of a commit's tree.
func (e *environment) readTree(ctx context.Context, files fs.FS, commit string) *loaded {
	l := &loaded{commit: commit}
	if !render.HasEnvironment(files, e.name) && len(e.ledger.Releases) > 0 {
		l.gone, l.env = true, &render.Environment{Name: e.name, Namespace: e.ledger.Namespace}
		l.inForce = l.env
		l.spaces = []string{e.ledger.Namespace}
		return l
	}
	if l.env, l.err = render.LoadEnvironment(files, e.name); l.err != nil {
		return l
	}
	l.inForce = l.env
	var problems []error
	for _, spec := range l.env.Releases {
		p, err := e.agent.renderer.Prepare(ctx, files, l.env, spec)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		l.targets = append(l.targets, target{spec, p})
	}
	l.err = errors.Join(problems...)
	l.spaces = spacesOf(l)
	return l
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

// readHistories reads the records of all namespaces that the environment has
// to do with, each once.
func (e *environment) readHistories(ctx context.Context, l *loaded) error {
	namespaces := map[string]bool{}
	for _, t := range l.targets {
		namespaces[t.spec.Namespace] = true
	}
	for _, r := range e.ledger.Releases {
		namespaces[r.Namespace] = true
	}
	for ns := range namespaces {
		if e.known(ns) {
			continue
		}
		found, err := e.cluster.Records.List(ctx, ns)
		if err != nil {
			return err
		}
		e.mu.Lock()
		for name, h := range found {
			e.histories[releaseKey{ns, name}] = h
		}
		e.scopes[ns] = true
		e.mu.Unlock()
	}
	return nil
}

func (e *environment) known(namespace string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.scopes[namespace]
}

func short(sha string) string { return sha[:min(7, len(sha))] }
