package agent

import (
	"context"
	"errors"
	"fmt"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
)

// uninstall removes a release that git no longer lists, and keeps its record.
// The newest record says that it is under way, and how far its hooks are.
func (e *environment) uninstall(ctx, waits context.Context, j *job) error {
	last := j.state.History.Last()
	j.outcome = ReleaseOutcome{Name: j.spec.Name, Action: string(Uninstall), Revision: last.Revision, Outcome: string(Progressing)}
	log := e.log.With("release", j.spec.Name)
	log.Info("uninstall", "reason", j.decision.Reason)
	begun := last.Status == release.StatusUninstalling
	if !begun {
		last.HookEvent, last.HooksDone = "", 0
	}
	if j.state.Retry {
		last.Request = e.requestNow() // an uninstall has no record of its own that would tell
	}
	if !begun || j.state.Retry {
		outcome := last.Outcome
		if outcome == record.Stuck {
			outcome = record.Abandoned // an interruption does not end it
		}
		if err := e.cluster.Records.Conclude(ctx, last, outcome, release.StatusUninstalling, "Deletion in progress"); err != nil {
			return err
		}
	}
	err := e.remove(ctx, waits, j, last)
	if err == nil {
		err = e.recordGone(ctx, j, last)
	}
	if err == nil {
		log.Info("uninstalled")
		j.outcome.Outcome = string(Applied)
		if j.state.Aborted != "" {
			j.outcome.Outcome, j.outcome.Reason = string(RolledBack), j.state.Aborted
		}
		return nil
	}
	var hook *apply.UnhealthyError
	if ctx.Err() != nil || errors.Is(err, errInterrupted) || !errors.As(err, &hook) {
		return err
	}
	log.Error("uninstall failed", "error", err)
	j.outcome.Outcome, j.outcome.Reason = string(Failed), err.Error()
	if cerr := e.cluster.Records.Conclude(ctx, last, record.Stuck, release.StatusUninstalling, fmt.Sprintf("Uninstall failed: %v", err)); cerr != nil {
		return cerr
	}
	return err
}

func (e *environment) remove(ctx, waits context.Context, j *job, last *record.Record) error {
	rel, err := last.Manifest(e.cluster.Namespaced)
	if err != nil {
		return err
	}
	if last.HookEvent != apply.PostDelete { // else all but some post-delete hooks is done
		if err := e.runHooks(ctx, waits, j, rel.Hooks, last, apply.PreDelete); err != nil {
			return err
		}
	}
	pruning, cancel := context.WithTimeout(waits, j.spec.Timeout)
	defer cancel()
	if err := e.cluster.Prune(pruning, j.plan, e.waiting(j)); err != nil {
		return err
	}
	return e.runHooks(ctx, waits, j, rel.Hooks, last, apply.PostDelete)
}

func (e *environment) recordGone(ctx context.Context, j *job, last *record.Record) error {
	for _, r := range j.state.History[:len(j.state.History)-1] {
		if r.Status == release.StatusDeployed {
			if err := e.cluster.Records.Supersede(ctx, r); err != nil {
				return err
			}
		}
	}
	if err := e.cluster.Records.Conclude(ctx, last, last.Outcome, release.StatusUninstalled, "Uninstallation complete"); err != nil {
		return err
	}
	e.hold(j.key, nil)
	e.agent.metrics.forget(e.name, j.spec.Name)
	return nil
}
