package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// errNotLive blocks the releases that depend on one that is not what git asks
// for.
var errNotLive = errors.New("it is not what git asks for")

func (e *environment) carryOutOne(ctx, waits context.Context, l *loaded, j *job) error {
	if j.waits != nil {
		return j.waits
	}
	switch j.decision.Act {
	case None:
		return e.stillHealthy(waits, j)
	case Hold:
		return errNotLive
	case Repair:
		return e.repair(ctx, waits, l, j)
	case Uninstall:
		return e.uninstall(ctx, waits, j)
	default:
		return e.rollout(ctx, waits, l, j)
	}
}

// stillHealthy lets releases that are to change start only on what is healthy now.
func (e *environment) stillHealthy(waits context.Context, j *job) error {
	h := e.heldOf(j.key)
	if h == nil {
		return nil
	}
	return e.cluster.WaitFor(waits, h.lasting, j.spec.Timeout, nil)
}

// rollout brings a release to what was decided. When it fails it decides again,
// so that a release which has to go back does so at once, whatever else is still
// under way.
func (e *environment) rollout(ctx, waits context.Context, l *loaded, j *job) error {
	err := e.attempt(ctx, waits, l, j)
	if err == nil && j.state.Aborted != "" {
		j.outcome.Outcome, j.outcome.Reason = string(RolledBack), j.state.Aborted
	}
	if err == nil || ctx.Err() != nil || apply.Transient(err) || errors.Is(err, errInterrupted) {
		return err
	}
	failed := j.state.History.Last()
	if failed == nil || failed.Outcome != record.Failed {
		return err // it could not even be recorded
	}
	outcome := j.outcome
	j.state.Retry = false // it was tried again
	j.decision = Decide(j.state)
	if j.decision.Act != Rollback {
		return err
	}
	if back := e.goBack(ctx, waits, l, j); back != nil {
		j.outcome = outcome
		j.outcome.Reason = fmt.Sprintf("%s; and going back failed: %v", outcome.Reason, back)
		return errors.Join(err, back)
	}
	to := j.outcome.Revision
	j.outcome = outcome
	j.outcome.Outcome = string(RolledBack)
	j.outcome.Reason = fmt.Sprintf("%s; rolled back (revision %d)", outcome.Reason, to)
	return err
}

// goBack plans and carries out the rollback that was decided on after a failure.
func (e *environment) goBack(ctx, waits context.Context, l *loaded, j *job) error {
	if err := e.describe(ctx, j); err != nil {
		return err
	}
	if err := e.survey(ctx, j, apply.Coming{}); err != nil {
		return err
	}
	if err := j.refused(); err != nil {
		return err
	}
	return e.attempt(ctx, waits, l, j)
}

// attempt is one rollout: the intent is recorded, the cluster made to have it,
// and what became of it recorded.
func (e *environment) attempt(ctx, waits context.Context, l *loaded, j *job) error {
	started := e.agent.opts.Now()
	rec, err := e.intend(ctx, l, j)
	if err != nil {
		return err
	}
	j.outcome = ReleaseOutcome{Name: j.spec.Name, Action: string(rec.Action), Revision: rec.Revision, Outcome: string(Progressing)}
	log := e.log.With("release", j.spec.Name, "revision", rec.Revision)
	log.Info(string(rec.Action), "reason", j.decision.Reason, "chart", j.release.Chart.Name+"-"+j.release.Chart.Version)
	err = j.secrets.Hide(e.execute(ctx, waits, j, rec))
	took := e.agent.opts.Now().Sub(started)
	e.agent.metrics.duration.WithLabelValues(e.name, j.spec.Name).Observe(took.Seconds())
	if err == nil {
		if err = e.recordGood(ctx, j, rec, l.commit); err == nil {
			log.Info("healthy", "took", timeOf(took))
			j.outcome.Outcome = string(Applied)
			return nil
		}
	}
	if ctx.Err() != nil || apply.Transient(err) || errors.Is(err, errInterrupted) || waits.Err() != nil {
		j.outcome.Reason = err.Error()
		return err // the record stays pending: it is gone on with, or passed over
	}
	log.Error("rollout failed", "error", err, "took", timeOf(took))
	j.outcome.Outcome, j.outcome.Reason = string(Failed), err.Error()
	if cerr := e.cluster.Records.Conclude(ctx, rec, record.Failed, release.StatusFailed, fmt.Sprintf("%s failed: %v", title(rec.Action), err)); cerr != nil {
		return cerr
	}
	return err
}

// intend stores the record of what is about to be owned, before the first
// write. A pending record that is passed over is given up first.
func (e *environment) intend(ctx context.Context, l *loaded, j *job) (*record.Record, error) {
	if err := e.ensureNamespace(ctx, l, j.key.namespace); err != nil {
		return nil, err // records live there too
	}
	if j.decision.Act == Resume {
		return j.state.History.Pending(), nil
	}
	if p := j.state.History.Pending(); p != nil {
		why := fmt.Sprintf("given up for commit %s before it was healthy", short(l.commit))
		if err := e.cluster.Records.Conclude(ctx, p, record.Abandoned, release.StatusFailed, why); err != nil {
			return nil, err
		}
	}
	action := map[Act]record.Action{Install: record.Install, Upgrade: record.Upgrade, Rollback: record.Rollback}[j.decision.Act]
	rec := record.New(j.release, j.state.History.Next(), action, e.name, l.commit, e.agent.opts.Now())
	if err := e.cluster.Records.Create(ctx, rec); err != nil {
		if errors.Is(err, record.ErrExists) {
			// Somebody else, helm perhaps, deployed it meanwhile: read anew.
			e.unread(j.key.namespace)
		}
		return nil, err
	}
	e.remember(j, append(slices.Clone(j.state.History), rec))
	return rec, nil
}

// ensureNamespace makes a release's namespace exist, with the environment's
// labels if it is the environment's own.
func (e *environment) ensureNamespace(ctx context.Context, l *loaded, namespace string) error {
	labels := map[string]string{}
	if l.env != nil && l.env.Namespace == namespace {
		labels = l.env.NamespaceLabels
	}
	return l.namespaces.once(namespace, func() error { return e.cluster.EnsureNamespace(ctx, namespace, labels) })
}

// ensured remembers which namespaces were made to exist. It is safe for
// concurrent use.
type ensured struct {
	mu   sync.Mutex
	done map[string]bool
}

// once does it for a namespace unless that was done with success before.
func (n *ensured) once(namespace string, do func() error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done[namespace] {
		return nil
	}
	if err := do(); err != nil {
		return err
	}
	if n.done == nil {
		n.done = map[string]bool{}
	}
	n.done[namespace] = true
	return nil
}

// forget has all namespaces looked at again.
func (n *ensured) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.done)
}

func (e *environment) remember(j *job, h record.History) {
	e.mu.Lock()
	e.histories[j.key] = h
	e.mu.Unlock()
	j.state.History = h
}

func (e *environment) unread(namespace string) {
	e.mu.Lock()
	delete(e.scopes, namespace)
	e.mu.Unlock()
}

// execute makes the cluster have what the record intends.
func (e *environment) execute(ctx, waits context.Context, j *job, rec *record.Record) error {
	timeout := j.spec.Timeout
	pre, post := hookEvents(rec.Action)
	if rec.HookEvent != post { // else the pre hooks ran before an interruption
		if err := e.runHooks(ctx, waits, j, j.release.Hooks, rec, pre); err != nil {
			return err
		}
	}
	if err := e.settleIn(ctx, waits, j); err != nil {
		return err
	}
	if err := e.runHooks(ctx, waits, j, j.release.Hooks, rec, post); err != nil {
		return err
	}
	if rec.Digest == j.asked { // else the checks are of the version that is left
		if err := e.cluster.Verify(waits, j.owner, j.release.Hooks, j.spec.Verify, timeout, e.waiting(j)); err != nil {
			return err
		}
	}
	pruning, cancel := context.WithTimeout(waits, timeout)
	defer cancel()
	return e.cluster.Prune(pruning, j.plan, e.waiting(j))
}

// againPause is the time between a deletion and applying it again: whoever deletes
// may do it each time.
const againPause = time.Second

// settleIn applies a plan and waits until its objects are healthy. What somebody
// deletes meanwhile is applied again, as long as the timeout lasts.
func (e *environment) settleIn(ctx, waits context.Context, j *job) error {
	deadline := e.agent.opts.Now().Add(j.spec.Timeout)
	for left := j.spec.Timeout; ; left = deadline.Sub(e.agent.opts.Now()).Round(time.Second) {
		if err := e.cluster.Apply(ctx, j.owner, j.plan); err != nil {
			return err
		}
		err := e.cluster.Wait(waits, j.ids, left, e.waiting(j))
		if !errors.Is(err, apply.ErrMissing) || left <= againPause {
			return err
		}
		e.log.Warn("applying it again", "release", j.spec.Name, "reason", err)
		select {
		case <-time.After(againPause):
		case <-waits.Done():
			return context.Cause(waits)
		}
		if err := e.flesh(j); err != nil {
			return err
		}
		if err := e.survey(ctx, j, apply.Coming{}); err != nil {
			return err
		}
		if err := j.refused(); err != nil {
			return err
		}
	}
}

// runHooks runs the hooks of one event, and records each that has ended: an
// interruption runs none of them twice.
func (e *environment) runHooks(ctx, waits context.Context, j *job, hooks []manifest.Hook, rec *record.Record, event string) error {
	run := apply.HookRun{Event: event, Timeout: j.spec.Timeout, Progress: e.waiting(j)}
	if rec.HookEvent == event {
		run.Skip = rec.HooksDone
	}
	run.Ran = func(n int, h manifest.Hook, started time.Time, err error) error {
		return e.cluster.Records.HookRan(ctx, rec, event, n, h, started, e.agent.opts.Now(), err != nil)
	}
	return e.cluster.RunHooks(waits, j.owner, hooks, run)
}

func hookEvents(a record.Action) (pre, post string) {
	switch a {
	case record.Install:
		return apply.PreInstall, apply.PostInstall
	case record.Rollback:
		return apply.PreRollback, apply.PostRollback
	default:
		return apply.PreUpgrade, apply.PostUpgrade
	}
}

// waiting says what a rollout waits for, whenever that changes: to the ledger, and
// to the log, not more often than a person can read.
func (e *environment) waiting(j *job) func([]apply.Health) {
	var last time.Time
	return func(open []apply.Health) {
		e.mu.Lock()
		delete(e.waitsFor, j.key)
		if len(open) > 0 {
			e.waitsFor[j.key] = fmt.Sprintf("%s: %s", open[0].ID, open[0].Reason)
		}
		e.mu.Unlock()
		e.nudge()
		now := e.agent.opts.Now()
		if len(open) == 0 || now.Sub(last) < 2*time.Second {
			return
		}
		last = now
		e.log.Info("waiting", "release", j.spec.Name, "for", open[0].ID.String(), "reason", open[0].Reason, "more", len(open)-1)
	}
}

// recordGood concludes a rollout that is healthy: the former records are
// superseded first, so that never two are called deployed, and the oldest go.
func (e *environment) recordGood(ctx context.Context, j *job, rec *record.Record, commit string) error {
	for _, r := range j.state.History {
		if r != rec && (r.Status == release.StatusDeployed || r.Status == release.StatusUninstalling) {
			if err := e.cluster.Records.Supersede(ctx, r); err != nil {
				return err
			}
		}
	}
	rec.Left = e.cluster.Left(j.ids[len(j.release.CRDs):]) // a record does not keep CRDs
	if err := e.cluster.Records.Conclude(ctx, rec, record.Good, release.StatusDeployed, e.describeGood(j, rec, commit)); err != nil {
		return err
	}
	rec.Forget()
	if j.prepared != nil {
		e.renderer.Deployed(j.prepared)
	}
	e.holdNew(j, rec.Revision)
	history := j.state.History
	surplus := history.Surplus(e.agent.opts.HistoryMax)
	for _, r := range surplus {
		if err := e.cluster.Records.Delete(ctx, r); err != nil {
			return err
		}
	}
	e.remember(j, history[len(surplus):])
	if rec.Action == record.Rollback {
		cause := "git"
		if j.decision.Behind {
			cause = "failure"
		}
		e.agent.metrics.rollbacks.WithLabelValues(e.name, j.spec.Name, cause).Inc()
	}
	return nil
}

// holdNew has the cluster held to what was just rolled out. If something changed
// since, the next look surveys it.
func (e *environment) holdNew(j *job, revision int) {
	e.clean(j.ids)
	if e.cluster.InPlace(j.plan) {
		e.hold(j.key, &held{revision: revision, ids: j.ids, lasting: j.lasting, foreign: foreignOf(j)})
	} else {
		e.hold(j.key, nil)
	}
}

// describeGood is what helm history shows.
func (e *environment) describeGood(j *job, rec *record.Record, commit string) string {
	if rec.Action != record.Rollback || j.decision.To == nil {
		return fmt.Sprintf("%s complete: %s", title(rec.Action), short(commit))
	}
	text := fmt.Sprintf("Rollback to %d: ", j.decision.To.Revision)
	if j.decision.Behind {
		return text + j.decision.Reason
	}
	if reverts := e.headNow().Reverts; reverts != "" {
		return text + fmt.Sprintf("%s reverts %s", short(commit), short(reverts))
	}
	return text + short(commit)
}

func title(a record.Action) string { return strings.ToUpper(string(a)[:1]) + string(a)[1:] }
