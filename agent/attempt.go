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

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/record"
)

// attempt is one rollout: the intent is recorded, the cluster made to have it,
// and what became of it recorded. An outcome of Failed says that it has failed for good;
// after any other error its record stays pending, and it is gone on with.
func (e *environment) attempt(ctx, waits context.Context, l *loaded, j *job) error {
	started := e.agent.opts.Now()
	j.applied = false
	rec, err := e.intend(ctx, l, j)
	if err != nil {
		return err
	}
	j.outcome = ledger.Outcome{Name: j.spec.Name, Action: string(rec.Action), Revision: rec.Revision, Outcome: string(ledger.Progressing)}
	log := e.log.With("release", j.spec.Name, "revision", rec.Revision)
	log.Info(string(rec.Action), "reason", j.decision.Reason, "chart", j.release.Chart.Name+"-"+j.release.Chart.Version)
	err = e.execute(ctx, waits, j, rec)
	var leftover *leftoverError
	stuck := errors.As(err, &leftover)
	if stuck {
		j.left = e.cluster.Doomed(j.plan)
	}
	err = j.veil().Hide(e.cluster.WithHolders(ctx, err))
	took := e.agent.opts.Now().Sub(started)
	e.agent.metrics.RolledOut(e.name, j.spec.Name, took)
	if err == nil || stuck {
		if rerr := e.recordGood(ctx, j, rec, j.commit); rerr != nil {
			return rerr
		}
		if stuck {
			log.Error("rolled out, but not all of the former version is gone", "error", err)
			j.outcome.Outcome, j.outcome.Reason = string(ledger.Failed), err.Error()
			return err
		}
		log.Info("healthy", "took", timeOf(took))
		j.outcome.Outcome = string(ledger.Applied)
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, errInterrupted) || waits.Err() != nil || e.worthTrying(rec, err) {
		j.outcome.Reason = err.Error()
		return err // the record stays pending: it is gone on with, or passed over
	}
	log.Error("rollout failed", "error", err, "took", timeOf(took))
	if cerr := e.cluster.Records.Conclude(ctx, rec, record.Failed, release.StatusFailed, e.bulletin.veil.text(fmt.Sprintf("%s failed: %v", title(rec.Action), err)), j.reached()...); cerr != nil {
		j.outcome.Reason = cerr.Error()
		return cerr
	}
	j.outcome.Outcome, j.outcome.Reason = string(ledger.Failed), err.Error()
	return errors.Join(err, e.trimRecords(ctx, j))
}

// worthTrying reports whether an error says nothing about the release, so that it is tried
// again: until its deadline.
func (e *environment) worthTrying(rec *record.Record, err error) bool {
	return apierror.Transient(err) && (rec.Deadline.IsZero() || !rec.HeldSince.IsZero() || e.agent.opts.Now().Before(rec.Deadline))
}

// deadline returns when what begins now has to have ended, to the second, as a record
// keeps it.
func (e *environment) deadline(j *job) time.Time {
	return e.agent.opts.Now().Add(j.spec.Timeout).Truncate(time.Second).Add(time.Second)
}

// bounds are what a job's wait has: the rollout's that a record keeps, or those of one
// that begins now.
func (e *environment) bounds(j *job, rec *record.Record) apply.Bounds {
	b := apply.Within(j.spec.Timeout, e.agent.opts.Now())
	if rec != nil && !rec.Deadline.IsZero() {
		b.Deadline = rec.Deadline
	}
	b.Graces = j.spec.Graces
	if j.spec.WaitWhileHeld {
		b.KeepHold = e.keepHold(j, rec)
	}
	if rec != nil && j.spec.WaitWhileHeld {
		b.HeldSince = rec.HeldSince
	}
	return b
}

// keepHold returns what keeps, with the record of a rollout, that its deadline waits for
// what is held. What has no record begins anew after a restart.
func (e *environment) keepHold(j *job, rec *record.Record) func(ctx context.Context, deadline, since time.Time) error {
	return func(ctx context.Context, deadline, since time.Time) error {
		if rec == nil {
			return nil
		}
		if since.IsZero() { // as a record keeps it: to the second, and not earlier
			deadline = deadline.Truncate(time.Second).Add(time.Second)
		}
		err := e.cluster.Records.Hold(ctx, rec, deadline, since)
		if err != nil {
			rec.Deadline, rec.HeldSince = deadline, since // the next write of the record has it
			e.log.Warn("that the deadline waits for what is held, or goes on, can't be recorded yet", "release", j.spec.Name, "error", err)
		}
		return err
	}
}

// leftoverError says that a rollout is healthy, and that objects which it no longer has
// could not be deleted in its time.
type leftoverError struct{ error }

// Unwrap returns which object, and what holds it.
func (l *leftoverError) Unwrap() error { return l.error }

// intend stores the record of what is about to be owned, before the first
// write. A pending record that is passed over is given up first.
func (e *environment) intend(ctx context.Context, l *loaded, j *job) (*record.Record, error) {
	if err := e.ensureNamespace(ctx, l, j.key.namespace); err != nil {
		return nil, err // records live there too
	}
	if j.decision.Act == decide.Resume {
		rec := j.state.History.Pending()
		if rec.Deadline.IsZero() { // written by an agent that recorded none
			rec.Deadline = e.deadline(j)
		}
		return rec, nil
	}
	if p := j.state.History.Pending(); p != nil {
		why := fmt.Sprintf("given up for commit %s before it was healthy", short(l.commit))
		if err := e.cluster.Records.Conclude(ctx, p, record.Abandoned, release.StatusFailed, why); err != nil {
			return nil, err
		}
	}
	now := e.agent.opts.Now()
	rec := record.New(j.release, j.state.History, actions[j.decision.Act], e.name, j.commit, now)
	rec.Deadline = e.deadline(j)
	if rec.FirstRevision = j.state.History.First(rec.Digest); rec.FirstRevision == 0 {
		rec.FirstRevision = rec.Revision
	}
	if err := e.cluster.Records.Create(ctx, rec); err != nil {
		if errors.Is(err, record.ErrExists) {
			// Somebody else, helm perhaps, deployed it meanwhile: read anew.
			e.histories.unread(j.key.namespace)
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

// remember enters what the release's records are now.
func (e *environment) remember(j *job, h record.History) {
	e.histories.set(j.key, h)
	j.state.History = h
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
	n := len(j.release.CRDs) // a record does not keep CRDs: they come last
	left := record.WithLeft(e.cluster.Left(slices.Concat(j.ids[n:], j.ids[:n])))
	if err := e.cluster.Records.Conclude(ctx, rec, record.Good, release.StatusDeployed, e.bulletin.veil.text(e.describeGood(j, rec, commit)), left); err != nil {
		return err
	}
	rec.Forget()
	if j.prepared != nil {
		e.renderer.Deployed(j.prepared)
	}
	e.holdNew(j, rec.Revision)
	if err := e.trimRecords(ctx, j); err != nil {
		return err
	}
	if rec.Action == record.Rollback {
		cause := "git"
		if j.decision.Behind {
			cause = "failure"
		}
		e.agent.metrics.RolledBack(e.name, j.spec.Name, cause)
	}
	return nil
}

// holdNew has the cluster held to what was just rolled out. If something changed
// since, the next look surveys it.
func (e *environment) holdNew(j *job, revision int) {
	e.inbox.clean(j.ids)
	if e.cluster.InPlace(j.plan) {
		e.baselines.hold(j.key, &held{revision: revision, ids: j.own(j.ids), lasting: j.own(j.lasting), ceded: j.plan.Ceded(), stale: len(j.plan.Ceded()) > 0, foreign: foreignOf(j), by: termsOf(j.owner)})
	} else {
		e.baselines.hold(j.key, nil)
	}
}

// describeGood is what helm history shows.
func (e *environment) describeGood(j *job, rec *record.Record, commit string) string {
	by := short(commit)
	if head := e.inbox.headNow(); head.SHA == commit && head.Reverts != "" {
		by += " reverts " + short(head.Reverts)
	}
	to := j.decision.To
	switch {
	case rec.Action == record.Rollback && to != nil && j.decision.Behind:
		return fmt.Sprintf("Rollback to %d: %s", to.Revision, j.decision.Reason)
	case rec.Action == record.Rollback && to != nil:
		return fmt.Sprintf("Rollback to %d: %s", to.Revision, by)
	case to != nil:
		return fmt.Sprintf("%s complete: %s, as revision %d was", title(rec.Action), by, to.Revision)
	}
	return fmt.Sprintf("%s complete: %s", title(rec.Action), short(commit))
}

func title(a record.Action) string { return strings.ToUpper(string(a)[:1]) + string(a)[1:] }
