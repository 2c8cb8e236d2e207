// Package deploy deploys an assessed commit: it starts a rollout for each release, in the order
// of their dependencies, and collects the outcomes while the loop goes on.
//
// It does not know git or the ledger's entries, and decides nothing.
package deploy

import (
	"context"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/graph"
)

// Deploy is the deployment of one commit. It runs beside the loop, which corrects the drift of
// the other releases meanwhile, even if a rollout waits for ten minutes. Its methods are for
// the loop alone.
type Deploy struct {
	*assess.Assessment
	Jobs         []*Job
	Waits        context.Context         // ends when the rollouts are to stop waiting
	Stop         context.CancelCauseFunc // ends Waits
	Idle         bool                    // no job could begin
	Results      map[string]graph.Result // by release, once Done is closed; nil if nothing was to be done
	Done         chan struct{}           // closed when the Results are there
	UnaffectedBy string                  // the newest head that was found not to concern it

	outcomes chan rollout.Outcome // of releases, as they end
}

// New returns the deploy of an assessment, which has not begun. ctx bounds the waits.
func New(ctx context.Context, s *assess.Assessment, jobs []*Job) *Deploy {
	d := &Deploy{Assessment: s, Jobs: jobs, outcomes: make(chan rollout.Outcome, len(jobs)), Done: make(chan struct{})}
	d.Waits, d.Stop = context.WithCancelCause(ctx)
	return d
}

// Nothing ends a deploy that was not begun. results are why no job can run; nil if there is
// nothing to do.
func (d *Deploy) Nothing(results map[string]graph.Result) {
	d.Results, d.Idle = results, results != nil
	close(d.Done)
}

// JobOf returns the job of a release; nil if it has none.
func (d *Deploy) JobOf(key observed.Key) *Job {
	for _, j := range d.Jobs {
		if j.Key == key {
			return j
		}
	}
	return nil
}

// Ended reports whether all rollouts have ended.
func (d *Deploy) Ended() bool {
	select {
	case <-d.Done:
		return true
	default:
		return false
	}
}

// Report hands in the outcome of a rollout, from any goroutine: one for each job.
func (d *Deploy) Report(o rollout.Outcome) { d.outcomes <- o }

// Collect enters the outcomes that were reported since it was last called into the jobs, and
// returns the corrections of drift among them.
func (d *Deploy) Collect() (repaired []ledger.Act) {
	for {
		select {
		case o := <-d.outcomes:
			j := d.JobOf(o.Release.Key)
			j.Unsaved = j.Changes()
			j.End.Set(o.Err)
			j.Release, j.Outcome, j.Left = o.Release, o.Outcome, o.Left
			repaired = append(repaired, o.Repaired...)
		default:
			return repaired
		}
	}
}

// Unsaved returns the jobs whose rollouts have ended and are not in the ledger yet.
func (d *Deploy) Unsaved() []*Job {
	var out []*Job
	for _, j := range d.Jobs {
		if j.Unsaved && j.Outcome.Name != "" && j.Outcome.EndsDeploy() {
			out = append(out, j)
		}
	}
	return out
}
