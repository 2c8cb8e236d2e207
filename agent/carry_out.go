package agent

import (
	"context"
	"slices"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/graph"
)

// start carries out what was decided, each release as soon as those it depends
// on are healthy, and returns at once.
func (e *environment) start(ctx context.Context, seen *seen) *active {
	l, jobs := seen.Commit, seen.jobs
	a := &active{Assessment: seen.Assessment, jobs: jobs, outcomes: make(chan rollout.Outcome, len(jobs)), done: make(chan struct{})}
	a.waits, a.stop = context.WithCancelCause(ctx)
	if !slices.ContainsFunc(jobs, (*job).Acts) {
		close(a.done)
		return a
	}
	byName := assess.ByKey(seen.Releases)
	work := assess.Order(seen.Releases, l.Atomic())
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
		a.stop(&rollout.Interruption{Text: "what it refers to in the cluster changed"})
	case !slices.Equal(seen.pauses, e.inbox.controlNow().Pauses):
		a.stop(errPaused)
	}
	e.carryOut(ctx, a, work, e.executor(e.assessor(), l), handOut(jobs))
	return a
}

// handedOut is a release that its rollout has for itself, and the commit that it belongs to.
type handedOut struct {
	*assess.Release
	commit string
}

// handOut gives the releases to their rollouts, by their keys. The loop keeps what it says
// of them: nobody writes what it reads.
func handOut(jobs []*job) map[string]handedOut {
	out := make(map[string]handedOut, len(jobs))
	for _, j := range jobs {
		brief := j.Release.Brief()
		j.Own()
		out[j.Key.String()] = handedOut{j.Release, j.commit}
		j.Release = brief
	}
	return out
}

// carryOut works on the releases beside the loop, in their order. The loop is woken when all
// have ended.
func (e *environment) carryOut(ctx context.Context, a *active, work *graph.Graph, x *rollout.Executor, releases map[string]handedOut) {
	go func() {
		defer e.inbox.trigger()
		defer close(a.done)
		a.results = work.Run(ctx, func(ctx context.Context, name string) error {
			r := releases[name]
			if r.Acts() { // else its drift may be put back meanwhile
				lock := e.rollouts.lockOf(r.Key)
				lock.Lock()
				defer lock.Unlock()
				e.passOver(r.Release)
			}
			o := x.Run(ctx, a.waits, r.Release, r.commit)
			a.outcomes <- o
			e.rollouts.ended(r.Key)
			e.inbox.nudge() // for what the ledger is to say meanwhile
			return o.Err
		})
	}()
}

// passOver leaves out a repair that was made while the job waited for its turn.
func (e *environment) passOver(j *assess.Release) {
	if j.Decision.Act == decide.Repair && e.Observed.Baselines.HeldOf(j.Key) != j.Found && e.Observed.Undisturbed(j.Key) {
		j.Decision = decide.Decision{Act: decide.None}
	}
}

// blockedAll returns what becomes of the jobs when none of them can run: all are
// held, or wait for one that is. It returns nil when some can run.
func blockedAll(g *graph.Graph, byName map[string]*assess.Release) map[string]graph.Result {
	blocked := g.Blocked(func(name string) bool { return byName[name].Fails() })
	results := map[string]graph.Result{}
	for name, j := range byName {
		switch {
		case blocked[name] != nil:
			results[name] = graph.Result{Blocked: blocked[name]}
		case j.Waits != nil:
			results[name] = graph.Result{Err: j.Waits}
		case j.Acts():
			return nil
		}
	}
	return results
}
