package deploy

import (
	"context"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/graph"
)

// Loop is woken by a deploy.
type Loop interface {
	Trigger()     // all rollouts have ended
	TriggerSoon() // one has
}

// Assignment is a release that its rollout has for itself, and the commit that it belongs to.
type Assignment struct {
	*assess.Release
	Commit string
}

// Assign gives the releases to their rollouts, by their keys. The jobs keep a brief copy: the
// loop never reads what a rollout writes.
func Assign(jobs []*Job) map[string]Assignment {
	out := make(map[string]Assignment, len(jobs))
	for _, j := range jobs {
		brief := j.Release.Brief()
		j.Own()
		out[j.Key.String()] = Assignment{j.Release, j.Commit}
		j.Release = brief
	}
	return out
}

// Run rolls the releases of a deploy out in the order of work, and returns at once. The deploy
// has to be the current one. ctx ends all, the deploy's Waits end the waiting.
func (r *Rollouts) Run(ctx context.Context, d *Deploy, work *graph.Graph, x *rollout.Executor, seen *observed.State, loop Loop) {
	releases := Assign(d.Jobs)
	go func() {
		defer loop.Trigger()
		defer close(d.Done)
		d.Results = work.Run(ctx, func(ctx context.Context, name string) error {
			one := releases[name]
			if one.Acts() { // else its drift may be corrected meanwhile
				lock := r.LockOf(one.Key)
				lock.Lock()
				defer lock.Unlock()
				skipDone(one.Release, seen)
			}
			o := x.Run(ctx, d.Waits, one.Release, one.Commit)
			d.Report(o)
			r.ended(one.Key)
			loop.TriggerSoon() // for what the ledger is to say meanwhile
			return o.Err
		})
	}()
}

// skipDone leaves out a repair that was made while the release waited for its turn.
func skipDone(r *assess.Release, seen *observed.State) {
	if r.Decision.Act == decide.Repair && seen.Baselines.Of(r.Key) != r.Found && seen.Undisturbed(r.Key) {
		r.Decision = decide.Decision{Act: decide.None}
	}
}

// AllBlocked returns the results of the releases when none of them can run: all are held, or
// blocked by one that is. It returns nil when some can run.
func AllBlocked(g *graph.Graph, byKey map[string]*assess.Release) map[string]graph.Result {
	blocked := g.Blocked(func(name string) bool { return byKey[name].Fails() })
	results := map[string]graph.Result{}
	for name, r := range byKey {
		switch {
		case blocked[name] != nil:
			results[name] = graph.Result{Blocked: blocked[name]}
		case r.Waits != nil:
			results[name] = graph.Result{Err: r.Waits}
		case r.Acts():
			return nil
		}
	}
	return results
}
