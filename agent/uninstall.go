package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
)

// uninstall removes a release that git no longer lists, and keeps its record.
// The newest record says that it is under way, and how far its hooks are.
func (e *environment) uninstall(ctx, waits context.Context, j *job) error {
	last := j.state.History.Last()
	if err := e.stillOwned(ctx, j); err != nil {
		return err
	}
	j.outcome = ledger.Outcome{Name: j.spec.Name, Action: string(decide.Uninstall), Revision: last.Revision, Outcome: string(ledger.Progressing)}
	log := e.log.With("release", j.spec.Name)
	log.Info("uninstall", "reason", j.decision.Reason)
	begun := last.Status == release.StatusUninstalling
	var changes []record.Change
	if !begun {
		changes = append(changes, record.Anew)
	}
	if j.state.Retry {
		changes = append(changes, record.OnRequest(e.inbox.requestNow())) // an uninstall has no record of its own that would tell
	}
	if !begun || j.state.Retry || last.Deadline.IsZero() {
		last.Deadline, last.HeldSince = e.deadline(j), time.Time{}
		outcome := last.Outcome
		if outcome == record.Stuck {
			outcome = record.Abandoned // an interruption does not end it
		}
		if err := e.cluster.Records.Conclude(ctx, last, outcome, release.StatusUninstalling, "Deletion in progress", changes...); err != nil {
			return err
		}
	}
	err := e.remove(ctx, waits, j, last)
	if err == nil {
		err = e.recordGone(ctx, j, last)
	}
	if err == nil {
		log.Info("uninstalled")
		j.outcome.Outcome = string(ledger.Applied)
		if j.state.Aborted != "" {
			j.outcome.Outcome, j.outcome.Reason = string(ledger.RolledBack), j.state.Aborted
		}
		return nil
	}
	var hook *apply.UnhealthyError
	over := !e.agent.opts.Now().Before(last.Deadline)
	if ctx.Err() != nil || errors.Is(err, errInterrupted) || !over && !errors.As(err, &hook) {
		return err
	}
	log.Error("uninstall failed", "error", err)
	j.outcome.Outcome, j.outcome.Reason = string(ledger.Failed), err.Error()
	if cerr := e.cluster.Records.Conclude(ctx, last, record.Stuck, release.StatusUninstalling, e.bulletin.veil.text(fmt.Sprintf("Uninstall failed: %v", err))); cerr != nil {
		return cerr
	}
	return err
}

// stillOwned reads the newest record again before anything is deleted for it: another
// environment, or helm, may have taken the release over.
func (e *environment) stillOwned(ctx context.Context, j *job) error {
	now, err := e.cluster.Records.History(ctx, j.key.namespace, j.key.name)
	if err != nil {
		return err
	}
	known, newest := j.state.History.Last(), record.History(now).Last()
	if newest == nil || newest.Revision != known.Revision || newest.Environment != known.Environment {
		e.histories.unread(j.key.namespace)
		return &interruption{"somebody else changed the records of " + j.key.String()}
	}
	return nil
}

func (e *environment) remove(ctx, waits context.Context, j *job, last *record.Record) error {
	rel, err := last.Manifest(e.cluster.Namespaced)
	if err != nil {
		return err
	}
	if !last.Ours() {
		rel.Hooks = nil // what somebody else recorded is not run
	}
	if last.HookEvent != plan.PostDelete { // else all but some post-delete hooks is done
		if err := e.runHooks(ctx, waits, j, rel.Hooks, last, plan.PreDelete); err != nil {
			return err
		}
	}
	if err := e.cluster.Prune(waits, j.plan, e.bounds(j, last), e.waiting(j)); err != nil {
		return err
	}
	return e.runHooks(ctx, waits, j, rel.Hooks, last, plan.PostDelete)
}

func (e *environment) recordGone(ctx context.Context, j *job, last *record.Record) error {
	for _, r := range j.state.History {
		if r != last && r.Status == release.StatusDeployed {
			if err := e.cluster.Records.Supersede(ctx, r); err != nil {
				return err
			}
		}
	}
	if err := e.cluster.Records.Conclude(ctx, last, last.Outcome, release.StatusUninstalled, "Uninstallation complete"); err != nil {
		return err
	}
	e.baselines.hold(j.key, nil)
	e.agent.metrics.Forget(e.name, j.spec.Name)
	return nil
}
