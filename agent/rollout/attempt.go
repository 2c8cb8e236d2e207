package rollout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/record"
)

// attempt is one rollout: it stores a pending record, applies it, and stores the outcome. The
// outcome Failed is final; after any other error the record stays pending, and the next pass
// resumes it.
func (x *Executor) attempt(ctx, waits context.Context, j *run) error {
	started := x.Now()
	j.applied = false
	rec, err := x.intend(ctx, j)
	if err != nil {
		return err
	}
	if j.Decision.Act == decide.Resume {
		started = rec.Begun()
	}
	j.outcome.Outcome = ledger.Outcome{Name: j.Spec.Name, Action: string(rec.Action), Revision: rec.Revision, Outcome: string(ledger.Progressing)}
	log := x.Log.With("release", j.Spec.Name, "revision", rec.Revision)
	log.Info(string(rec.Action), "reason", j.Decision.Reason, "chart", j.Manifest.Chart.Name+"-"+j.Manifest.Chart.Version)
	err = interrupted(ctx, waits, x.execute(ctx, waits, j, rec))
	var leftover *leftoverError
	stuck := errors.As(err, &leftover)
	if stuck {
		j.outcome.Left = x.cluster.PendingDeletions(j.Plan)
	}
	err = x.withOutput(j, j.Veil().Hide(x.cluster.WithHolders(ctx, err)))
	took := x.Now().Sub(started)
	if err == nil || stuck {
		x.Metrics.RolledOut(x.Environment, j.Spec.Name, took)
		if rerr := x.recordGood(ctx, j, rec, j.commit); rerr != nil {
			return rerr
		}
		if stuck {
			log.Error("rolled out, but not all of the former version is gone", "error", err)
			j.outcome.Outcome.Outcome, j.outcome.Reason = string(ledger.Failed), err.Error()
			return err
		}
		log.Info("healthy", "took", took.Round(100*time.Millisecond).String())
		j.outcome.Outcome.Outcome = string(ledger.Applied)
		return nil
	}
	if ctx.Err() != nil || errors.Is(err, ErrInterrupted) || waits.Err() != nil || x.worthTrying(rec, err) {
		j.outcome.Reason = err.Error()
		return err // the record stays pending: it is resumed, or passed over
	}
	x.Metrics.RolledOut(x.Environment, j.Spec.Name, took)
	log.Error("rollout failed", "error", err, "took", took.Round(100*time.Millisecond).String())
	if cerr := x.finish(ctx, j, rec, record.Failed, release.StatusFailed, x.Veil.Text(fmt.Sprintf("%s failed: %v", title(rec.Action), err)), j.reached()...); cerr != nil {
		j.outcome.Reason = cerr.Error()
		return cerr
	}
	j.outcome.Outcome.Outcome, j.outcome.Reason = string(ledger.Failed), err.Error()
	return errors.Join(err, x.trimRecords(ctx, j))
}

// interrupted returns why a rollout was interrupted, in the place of what a request that was given
// up for it says.
func interrupted(ctx, waits context.Context, err error) error {
	if cause := context.Cause(waits); errors.Is(err, context.Canceled) && cause != nil && ctx.Err() == nil {
		return cause
	}
	return err
}

// worthTrying reports whether an error is transient, so that the rollout is tried again, and
// its deadline has not come.
func (x *Executor) worthTrying(rec *record.Record, err error) bool {
	again := apierror.Transient(err) || errors.Is(err, record.ErrChanged) // it is what is stored now
	return again && (rec.Deadline.IsZero() || !rec.HeldSince.IsZero() || x.Now().Before(rec.Deadline))
}

// leftoverError says that a rollout is healthy, and that objects which it no longer has
// could not be deleted in its time.
type leftoverError struct{ error }

// Unwrap returns which object, and what holds it.
func (l *leftoverError) Unwrap() error { return l.error }
