package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/apply/wait"
)

// uninstall removes a release that git no longer lists, and keeps its record.
// The newest record says that it is under way, and how far its hooks are.
func (x *Executor) uninstall(ctx, waits context.Context, j *run) error {
	last := j.State.History.Last()
	if err := x.stillOwned(ctx, j); err != nil {
		return err
	}
	j.outcome.Outcome = ledger.Outcome{Name: j.Spec.Name, Action: string(decide.Uninstall), Revision: last.Revision, Outcome: string(ledger.Progressing)}
	log := x.Log.With("release", j.Spec.Name)
	log.Info("uninstall", "reason", j.Decision.Reason)
	begun := last.Status == release.StatusUninstalling
	var changes []record.Change
	if !begun {
		changes = append(changes, record.ForgetHooks)
	}
	if j.State.Retry {
		changes = append(changes, record.OnRequest(x.Request)) // an uninstall has no record of its own that would tell
	}
	if !begun || j.State.Retry || last.Deadline.IsZero() {
		last.Deadline, last.HeldSince = deadlineOf(x.Now(), j.Spec.Timeout), time.Time{}
		outcome := last.Outcome
		if outcome == record.Stuck {
			outcome = record.Abandoned // an interruption does not end it
		}
		if err := x.finish(ctx, j, last, outcome, release.StatusUninstalling, "Deletion in progress", changes...); err != nil {
			return err
		}
	}
	err := x.remove(ctx, waits, j, last)
	if err == nil {
		err = x.recordGone(ctx, j, last)
	}
	if err == nil {
		log.Info("uninstalled")
		j.outcome.Outcome.Outcome = string(ledger.Applied)
		if j.State.Aborted != "" {
			j.outcome.Outcome.Outcome, j.outcome.Reason = string(ledger.RolledBack), j.State.Aborted
		}
		return nil
	}
	var hook *wait.UnhealthyError
	over := !x.Now().Before(last.Deadline)
	if ctx.Err() != nil || errors.Is(err, ErrInterrupted) || !over && !errors.As(err, &hook) {
		return err
	}
	err = x.withOutput(j, err)
	log.Error("uninstall failed", "error", err)
	j.outcome.Outcome.Outcome, j.outcome.Reason = string(ledger.Failed), err.Error()
	if cerr := x.finish(ctx, j, last, record.Stuck, release.StatusUninstalling, x.Veil.Text(fmt.Sprintf("Uninstall failed: %v", err))); cerr != nil {
		return cerr
	}
	return err
}

// stillOwned reads the newest record again before anything is deleted for it: another
// environment, or helm, may have taken the release over.
func (x *Executor) stillOwned(ctx context.Context, j *run) error {
	now, err := x.records.History(ctx, j.Key.Namespace, j.Key.Name)
	if err != nil {
		return err
	}
	known, newest := j.State.History.Last(), record.History(now).Last()
	if newest == nil || newest.Revision != known.Revision || newest.Environment != known.Environment {
		x.Observed.Histories.Unread(j.Key.Namespace)
		return &Interruption{"somebody else changed the records of " + j.Key.String()}
	}
	return nil
}

func (x *Executor) remove(ctx, waits context.Context, j *run, last *record.Record) error {
	rel, err := last.Manifest(x.cluster.Namespaced)
	if err != nil {
		return err
	}
	if !last.Ours() {
		rel.Hooks = nil // what somebody else recorded is not run
	}
	if last.HookEvent != plan.PostDelete { // else all but some post-delete hooks is done
		if err := x.runHooks(ctx, waits, j, rel.Hooks, last, plan.PreDelete); err != nil {
			return err
		}
	}
	if err := x.cluster.Prune(waits, j.Plan, x.bounds(j, last), x.waiting(j)); err != nil {
		return err
	}
	return x.runHooks(ctx, waits, j, rel.Hooks, last, plan.PostDelete)
}
