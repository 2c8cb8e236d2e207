package agent

import (
	"context"
	"slices"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/graph"
	"github.com/xetys/tether/apply/plan"
)

// start carries out what was decided, each release as soon as those it depends
// on are healthy, and returns at once.
func (e *environment) start(ctx context.Context, seen *seen) *active {
	l, jobs := seen.load, seen.jobs
	a := &active{load: l, jobs: jobs, refusals: seen.refusals, trouble: seen.trouble, under: undertakings(jobs), acts: map[releaseKey]bool{}, done: make(chan struct{})}
	a.waits, a.stop = context.WithCancelCause(ctx)
	for _, j := range jobs {
		a.acts[j.key] = j.acts()
	}
	l.namespaces.forget() // somebody may have deleted one meanwhile
	if !slices.ContainsFunc(jobs, (*job).acts) {
		close(a.done)
		return a
	}
	byName := byKey(jobs)
	work := order(jobs, l.atomic())
	if idle := blockedAll(work, byName); idle != nil {
		a.results, a.idle = idle, true
		close(a.done)
		return a
	}
	e.tryAgain(jobs)
	e.progressing(ctx, l, jobs)
	e.stand(jobs)
	e.rollouts.begin(a)
	switch { // what came while it was decided
	case e.inbox.anyStirred():
		a.stop(&interruption{"what it refers to in the cluster changed"})
	case !slices.Equal(seen.pauses, e.inbox.controlNow().Pauses):
		a.stop(errPaused)
	}
	go func() {
		defer e.inbox.trigger()
		defer close(a.done)
		a.results = work.Run(ctx, func(ctx context.Context, name string) error {
			j := byName[name]
			if j.acts() { // else its drift may be put back meanwhile
				lock := e.rollouts.lockOf(j.key)
				lock.Lock()
				defer lock.Unlock()
				e.passOver(j)
			}
			defer e.waiting(j)(nil)
			defer j.drop()
			defer j.over.Store(true)
			return e.carryOutOne(ctx, a.waits, l, j)
		})
	}()
	return a
}

// passOver leaves out a repair that was made while the job waited for its turn.
func (e *environment) passOver(j *job) {
	if j.decision.Act == decide.Repair && e.baselines.heldOf(j.key) != j.found && e.undisturbed(j.key) {
		j.decision = decide.Decision{Act: decide.None}
	}
}

// tryAgain takes note of what is tried again since somebody asked for it. A commit that
// had its verdict then gets another one.
func (e *environment) tryAgain(jobs []*job) {
	asked, any := e.inbox.controlNow().Sync, false
	for _, j := range jobs {
		if asked != nil && j.state.Retry && j.acts() {
			e.retries.asked[j.key] = asked.ID
			any = any || j.changes()
		}
	}
	if any && e.ledger.Head().Verdict.Stands() {
		e.ledger.Again(asked.By+" asked for it to be tried again", e.agent.opts.Now())
	}
}

// drop lets go of what the job was about once it is done: what a thousand plans hold
// of the cluster is worth hundreds of megabytes.
func (j *job) drop() { j.release, j.want, j.ids, j.lasting, j.plan = nil, nil, nil, nil, plan.Plan{} }

// blockedAll returns what becomes of the jobs when none of them can run: all are
// held, or wait for one that is. It returns nil when some can run.
func blockedAll(g *graph.Graph, byName map[string]*job) map[string]graph.Result {
	blocked := g.Blocked(func(name string) bool { return byName[name].fails() })
	results := map[string]graph.Result{}
	for name, j := range byName {
		switch {
		case blocked[name] != nil:
			results[name] = graph.Result{Blocked: blocked[name]}
		case j.waits != nil:
			results[name] = graph.Result{Err: j.waits}
		case j.acts():
			return nil
		}
	}
	return results
}

// tend looks after the releases that nothing is being done about, while a commit
// is carried out: what drifts is put back.
func (e *environment) tend(ctx context.Context, a *active) error {
	for _, j := range a.jobs {
		if e.undisturbed(j.key) {
			continue
		}
		if err := e.tendOne(ctx, a, j.key); err != nil {
			return err
		}
	}
	e.tell(ctx)
	if err := e.mind(ctx, a); err != nil {
		return err
	}
	return e.publish(ctx, a)
}

// undisturbed reports that there is nothing to look after: the release never ran, or
// nothing happened to it since it was looked at.
func (e *environment) undisturbed(key releaseKey) bool {
	settled := e.histories.history(key).Settled()
	if settled == nil {
		return true
	}
	h := e.baselines.heldOf(key)
	return h != nil && h.revision == settled.Revision && !e.inbox.touched(h.ids) && len(h.drift) == 0
}

// publishEvery is how often the ledger says what a rollout waits for.
const publishEvery = 3 * time.Second

// publish puts into the ledger what the rollouts under way wait for, and what became of
// those that have ended, so that whoever asks is told: others may be held for days.
func (e *environment) publish(ctx context.Context, a *active) error {
	now := e.agent.opts.Now()
	if now.Before(e.rollouts.published.Add(publishEvery)) {
		return nil
	}
	ended := a.justEnded()
	e.merge(ended)
	for _, j := range ended {
		a.under[j.key].entered = true
		if r := e.ledger.Release(j.key.namespace, j.key.name); r != nil && j.prepared != nil { // what is new or leaves is entered with all
			*r = e.describeRelease(ctx, j)
		}
	}
	news := len(ended) > 0
	for _, entry := range append(e.ledger.Open(), e.ledger.Head()) {
		if text := e.rollouts.soFar(entry); entry.Verdict == ledger.Progressing && entry.Reason != text {
			entry.Conclude(ledger.Progressing, text, now)
			news = true
		}
	}
	if !news {
		return nil
	}
	e.rollouts.published = now
	return e.store(ctx)
}

func (e *environment) tendOne(ctx context.Context, a *active, key releaseKey) error {
	lock := e.rollouts.lockOf(key)
	if !lock.TryLock() {
		return nil // it is being worked on
	}
	defer lock.Unlock()
	return e.lookAfter(ctx, a, key)
}

// lookAfter puts back what drifted of a release; its lock is held.
func (e *environment) lookAfter(ctx context.Context, a *active, key releaseKey) error {
	i := slices.IndexFunc(a.jobs, func(j *job) bool { return j.key == key })
	j := e.newJob(a.load, key, a.jobs[i].spec, a.jobs[i].prepared)
	if j.changes() {
		j.keep("its turn has not come")
	}
	if j.changes() {
		return nil
	}
	if err := e.keep(ctx, a.load, j); err != nil {
		return err
	}
	if j.decision.Act != decide.Repair {
		return nil
	}
	err := e.carryOutOne(ctx, a.waits, a.load, j)
	if j.open(err) {
		e.postpone(key, err)
	}
	return nil
}
