package deploy

import (
	"errors"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// Job is one release of a deploy, as the loop has it: the assessed release without what it takes
// to roll it out, and the outcome of its rollout once that has ended. The rollout has the rest.
type Job struct {
	*assess.Release
	Commit  string   // that the rollout belongs to
	Blocked []string // the releases that block it
	Outcome ledger.Outcome
	Left    []manifest.ID // objects that the rollout deleted and that are not gone

	End     Ending // how its rollout ended
	Unsaved bool   // its rollout has ended, and the ledger does not say so yet
}

// JobsOf returns a job for each release.
func JobsOf(releases []*assess.Release) []*Job {
	jobs := make([]*Job, len(releases))
	for i, r := range releases {
		jobs[i] = &Job{Release: r}
	}
	return jobs
}

// AbandonsPending reports whether the job abandons a pending rollout for another one.
func (j *Job) AbandonsPending() bool {
	return j.Decision.Act == decide.Install || j.Decision.Act == decide.Upgrade || j.Decision.Act == decide.Rollback || j.Decision.Act == decide.Uninstall
}

// Open reports whether a job ended with an error that is no verdict on the release, so that it
// is to be done again.
func (j *Job) Open(err error) bool {
	var unhealthy *wait.UnhealthyError
	switch {
	case err == nil:
		return false
	case rollout.RecordsDenied(err):
		return true
	case j.Outcome.Outcome == string(ledger.Failed), j.Outcome.Outcome == string(ledger.RolledBack):
		return false
	case apierror.Transient(err):
		return true
	}
	return !errors.Is(err, rollout.ErrNotLive) && !errors.As(err, &unhealthy)
}

// Ending is how a job ended. The loop asks it while the rest of the deploy goes on.
type Ending struct {
	Err error

	over      bool
	postponed bool
}

// Set enters that the job has ended.
func (e *Ending) Set(err error) { *e = Ending{Err: err, over: true} }

// Over reports whether the job has ended.
func (e *Ending) Over() bool { return e.over }

// Postpone reports whether the error of the job is yet to be postponed, and notes that it is:
// it is postponed once, however often it is asked for.
func (e *Ending) Postpone() bool {
	first := !e.postponed
	e.postponed = e.over
	return first
}
