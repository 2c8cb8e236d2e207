package agent

import (
	"context"
	"errors"
	"slices"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/agent/verdict"
	"github.com/xetys/tether/source"
)

// pass reconciles the environment once: it reads git and the cluster, decides, and begins what
// was decided, or goes on with what is under way. It returns nil if there is nothing left to do
// except wait for rollouts, verdict.ErrRefused if the head is refused, rollout.ErrInterrupted
// if it has to be decided again at once, and any other error if another pass later may succeed.
func (e *environment) pass(ctx context.Context) error {
	if e.verdicts.Ledger != nil && e.inbox.Control().Unread != "" {
		e.verdicts.SetControlAside(ctx)
	}
	if d := e.rollouts.Current(); d != nil {
		return e.passBeside(ctx, d)
	}
	head := e.inbox.Head()
	if head.SHA == "" {
		return e.verdicts.SetAway(ctx, e.agent.awayNow())
	}
	if err := e.recordHead(ctx, head.Commit); err != nil {
		return err
	}
	if err := e.verdicts.SetAway(ctx, e.agent.awayNow()); err != nil {
		return err
	}
	found, err := e.assess(ctx, head)
	if e.inbox.ReadingEnded(err); errors.Is(err, rollout.ErrInterrupted) {
		return err
	}
	if err == nil {
		err = repairRecords(ctx, e.Environment, e.Cluster.Records, found.jobs)
	}
	if err == nil {
		err = e.labels.Ensure(ctx, found.Assessment)
	}
	if err != nil {
		e.verdicts.Undecided(ctx, err)
		return err
	}
	if d := e.start(ctx, found); d.Ended() {
		return e.finishDeploy(ctx, d)
	}
	return nil
}

// passBeside is a pass while a deploy is under way.
func (e *environment) passBeside(ctx context.Context, d *deploy.Deploy) error {
	if d.Ended() {
		return e.finishDeploy(ctx, d)
	}
	if err := e.verdicts.SetAway(ctx, e.agent.awayNow()); err != nil {
		return err
	}
	if err := e.readNewerHead(ctx, d); err != nil {
		return err
	}
	return e.reconcileOthers(ctx, d)
}

// recordHead reads the ledger, if it was not read yet, and enters the head.
func (e *environment) recordHead(ctx context.Context, head source.Commit) error {
	if e.verdicts.Ledger == nil {
		control, err := e.verdicts.Read(ctx)
		if err != nil {
			return err
		}
		if e.inbox.SetControl(control); control.Unread != "" {
			e.verdicts.SetControlAside(ctx)
		}
	}
	if e.verdicts.RecordHead(head, e.agent.repo.Between) && e.rollouts.Current() == nil {
		e.verdicts.Retries.Clear()
	}
	return nil
}

// assessed is an assessment with a job for each of its releases.
type assessed struct {
	*assess.Assessment
	jobs   []*deploy.Job
	pauses []ledger.Pause // those in force when it was decided
}

// assess reads and decides; it writes nothing. A newer head ends the reading and rendering of an
// older one, which may take long.
func (e *environment) assess(ctx context.Context, head source.Head) (*assessed, error) {
	reading, done := e.inbox.Reading(ctx, head)
	defer done(nil)
	l, err := e.desired.Load(reading, head)
	if err != nil {
		return nil, superseded(reading, err)
	}
	a, asked, retries := e.assessor(), e.desired.Asked(l), e.verdicts.Retries
	found, err := a.Assess(ctx, reading, l, retries.Refusal.Known(asked, e.Now()))
	retries.Busy(a.Busy, e.Now())
	if found == nil {
		return nil, err
	}
	if found.Preflight {
		retries.Refusal.Note(asked, found.Refusals, e.Now())
	}
	return &assessed{Assessment: found, jobs: deploy.JobsOf(found.Releases), pauses: a.Control.Pauses}, superseded(reading, err)
}

// superseded returns the reason why reading was ended, in place of an error that follows from
// that.
func superseded(reading context.Context, err error) error {
	if cause := context.Cause(reading); err != nil && errors.Is(cause, rollout.ErrInterrupted) {
		return cause
	}
	return err
}

// start begins the deploy of an assessed commit, each release as soon as those it depends on are
// healthy, and returns at once.
func (e *environment) start(ctx context.Context, found *assessed) *deploy.Deploy {
	l, jobs := found.Commit, found.jobs
	d := deploy.New(ctx, found.Assessment, jobs)
	if !slices.ContainsFunc(jobs, (*deploy.Job).Acts) {
		d.Nothing(nil)
		return d
	}
	work := assess.Order(found.Releases, l.Atomic())
	if blocked := deploy.AllBlocked(work, assess.ByKey(found.Releases)); blocked != nil {
		d.Nothing(blocked)
		return d
	}
	e.verdicts.Retry(jobs, e.inbox.Control().Sync)
	begun := e.verdicts.Begin(l, jobs)
	e.releases.SetBehind(jobs)
	if begun {
		e.verdicts.TryStore(ctx) // not worth stopping a rollout for
	}
	e.rollouts.Begin(d)
	switch { // what came while it was decided
	case e.inbox.AnyReferences():
		d.Stop(&rollout.Interruption{Text: "what it refers to in the cluster changed"})
	case !slices.Equal(found.pauses, e.inbox.Control().Pauses):
		d.Stop(rollout.ErrPaused)
	}
	e.rollouts.Run(ctx, d, work, e.executor(e.assessor(), l), e.Observed, e.inbox)
	return d
}

// finishDeploy draws the verdicts from a deploy that has ended, and has them reported.
func (e *environment) finishDeploy(ctx context.Context, d *deploy.Deploy) error {
	e.verdicts.Repaired(d.Collect())
	e.rollouts.End()
	d.Stop(nil)
	again := e.verdicts.RecordOutcomes(d, func() bool { return e.goingBack(ctx, d) })
	e.releases.Describe(ctx, d.Jobs)
	e.verdicts.Announce(ctx, e.verdicts.Ledger)
	if err := e.verdicts.Publish(ctx); err != nil {
		return err
	}
	if d.Results != nil && !d.Idle {
		e.inbox.Trigger() // another pass sees what was done
	}
	if again != nil {
		return again
	}
	if e.verdicts.Ledger.Head().Verdict == ledger.Refused || len(d.Refusals) > 0 {
		return verdict.ErrRefused
	}
	return nil
}

// goingBack reports whether a failure has just made other releases of an atomic environment go
// back.
func (e *environment) goingBack(ctx context.Context, d *deploy.Deploy) bool {
	if d.Results == nil || d.Commit.Env == nil || !d.Commit.Env.Atomic {
		return false
	}
	releases, err := e.assessor().Releases(ctx, d.Commit)
	was := map[observed.Key]bool{}
	for _, j := range d.Jobs {
		was[j.Key] = j.State.Aborted != ""
	}
	return err == nil && slices.ContainsFunc(releases, func(r *assess.Release) bool { return r.State.Aborted != "" && r.Changes() && !was[r.Key] })
}
