package agent

import (
	"errors"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/render/manifest"
)

// job is one release of a commit that is carried out, as the loop sees it: what was assessed
// of it, and what became of it.
type job struct {
	*assess.Release
	commit  string   // that its rollout belongs to
	blocked []string // by which releases
	outcome ledger.Outcome
	left    []manifest.ID // what its rollout deleted and is not gone

	ended     ending // how what was done about it ended
	unentered bool   // its rollout has ended, and the ledger has nothing of that yet
}

func jobsOf(releases []*assess.Release) []*job {
	jobs := make([]*job, len(releases))
	for i, r := range releases {
		jobs[i] = &job{Release: r}
	}
	return jobs
}

// passesOver reports whether the job gives up what is pending for something else.
func (j *job) passesOver() bool {
	return j.Decision.Act == decide.Install || j.Decision.Act == decide.Upgrade || j.Decision.Act == decide.Rollback || j.Decision.Act == decide.Uninstall
}

// open reports whether a job ended with an error that is no verdict on the
// release, so that the job is to be done again.
func (j *job) open(err error) bool {
	var unhealthy *apply.UnhealthyError
	switch {
	case err == nil:
		return false
	case rollout.Denied(err):
		return true
	case j.outcome.Outcome == string(ledger.Failed), j.outcome.Outcome == string(ledger.RolledBack):
		return false
	case apierror.Transient(err):
		return true
	}
	return !errors.Is(err, rollout.ErrNotLive) && !errors.As(err, &unhealthy)
}

// ending is how what was done about a release ended: the loop looks at that while a commit is
// still carried out.
type ending struct {
	is        bool
	err       error
	postponed bool
}

func (e *ending) end(err error) { *e = ending{is: true, err: err} }

func (e *ending) over() bool { return e.is }

// putOff reports whether trouble that something ended with is yet to be put off, and takes
// note that it is: who looks at it once more puts it off no further.
func (e *ending) putOff() bool {
	first := !e.postponed
	e.postponed = e.is
	return first
}
