package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/record"
)

// intend stores the pending record of a rollout, before the first write. Another pending
// record, which is not continued, is marked as abandoned first.
func (x *recorder) intend(ctx context.Context, j *run) (*record.Record, error) {
	if err := x.ensureNamespace(ctx, j.Key.Namespace); err != nil {
		return nil, err // records live there too
	}
	if j.Decision.Act == decide.Resume {
		rec := j.State.History.Pending()
		return rec, x.resume(ctx, j, rec)
	}
	if p := j.State.History.Pending(); p != nil {
		why := fmt.Sprintf("given up for commit %s before it was healthy", abbreviated(x.Commit.SHA))
		if err := x.finish(ctx, j, p, record.Abandoned, release.StatusFailed, why); err != nil {
			return nil, err
		}
	}
	now := x.Now()
	rec := record.New(j.Manifest, j.State.History, assess.Actions[j.Decision.Act], x.Environment, j.commit, now)
	rec.Deadline = deadlineOf(now, j.Spec.Timeout)
	if rec.FirstRevision = j.State.History.First(rec.Digest); rec.FirstRevision == 0 {
		rec.FirstRevision = rec.Revision
	}
	if err := x.records.Create(ctx, rec); err != nil {
		if errors.Is(err, record.ErrExists) {
			// Somebody else, helm perhaps, deployed it meanwhile: read anew.
			x.Observed.Histories.Unread(j.Key.Namespace)
		}
		return nil, err
	}
	x.remember(j, append(slices.Clone(j.State.History), rec))
	return rec, nil
}

// remember enters what the release's records are now: copies, since the rollout goes on to
// write its own. Each write of a record is entered: who goes on after an interruption has to
// know what is stored.
func (x *recorder) remember(j *run, h record.History) {
	j.State.History = h
	x.Observed.Histories.Set(j.Key, record.Copy(h))
}

// finish stores what became of a record of the release, and enters it.
func (x *recorder) finish(ctx context.Context, j *run, rec *record.Record, o record.Outcome, status release.Status, text string, changes ...record.Change) error {
	err := x.records.Finish(ctx, rec, o, status, text, changes...)
	x.remember(j, j.State.History)
	return err
}

// supersede stores that a record is not the newest good one any more, and enters it.
func (x *recorder) supersede(ctx context.Context, j *run, r *record.Record) error {
	err := x.records.Supersede(ctx, r)
	x.remember(j, j.State.History)
	return err
}

// recordGood concludes a rollout that is healthy: the former records are
// superseded first, so that never two are called deployed, and the oldest go.
func (x *recorder) recordGood(ctx context.Context, j *run, rec *record.Record, commit string) error {
	for _, r := range j.State.History {
		if r != rec && (r.Status == release.StatusDeployed || r.Status == release.StatusUninstalling) {
			if err := x.supersede(ctx, j, r); err != nil {
				return err
			}
		}
	}
	n := len(j.Manifest.CRDs) // a record does not keep CRDs: they come last
	left := record.WithLeft(x.cluster.Left(slices.Concat(j.IDs[n:], j.IDs[:n])))
	if err := x.finish(ctx, j, rec, record.Good, release.StatusDeployed, x.Veil.Text(x.describeGood(j, rec, commit)), left); err != nil {
		return err
	}
	rec.Forget()
	if j.Prepared != nil {
		x.Renderer.Deployed(j.Prepared)
	}
	x.holdNew(j, rec.Revision)
	if err := x.trimRecords(ctx, j); err != nil {
		return err
	}
	if rec.Action == record.Rollback {
		cause := "git"
		if j.Decision.Behind {
			cause = "failure"
		}
		x.Metrics.RolledBack(x.Environment, j.Spec.Name, cause)
	}
	return nil
}

// holdNew has the cluster held to what was just rolled out. If something changed
// since, the next pass surveys it.
func (x *recorder) holdNew(j *run, revision int) {
	x.Observed.Touched.MarkSurveyed(j.IDs)
	if x.cluster.InPlace(j.Plan) {
		x.Observed.Baselines.Set(j.Key, &observed.Baseline{Revision: revision, IDs: j.NotLeftToOthers(j.IDs), Lasting: j.NotLeftToOthers(j.Lasting), LeftToOthers: j.Plan.LeftToOthers(), Stale: len(j.Plan.LeftToOthers()) > 0, Foreign: assess.ForeignFields(j.Release), By: observed.TermsOf(j.Owner)})
	} else {
		x.Observed.Baselines.Set(j.Key, nil)
	}
}

// describeGood is what helm history shows.
func (x *recorder) describeGood(j *run, rec *record.Record, commit string) string {
	by := abbreviated(commit)
	if reverted := x.Reverts[commit]; reverted != "" {
		by += " reverts " + abbreviated(reverted)
	}
	to := j.Decision.To
	switch {
	case rec.Action == record.Rollback && to != nil && j.Decision.Behind:
		return fmt.Sprintf("Rollback to %d: %s", to.Revision, j.Decision.Reason)
	case rec.Action == record.Rollback && to != nil:
		return fmt.Sprintf("Rollback to %d: %s", to.Revision, by)
	case to != nil:
		return fmt.Sprintf("%s complete: %s, as revision %d was", title(rec.Action), by, to.Revision)
	}
	return fmt.Sprintf("%s complete: %s", title(rec.Action), abbreviated(commit))
}

func title(a record.Action) string { return strings.ToUpper(string(a)[:1]) + string(a)[1:] }

func (x *recorder) recordGone(ctx context.Context, j *run, last *record.Record) error {
	for _, r := range j.State.History {
		if r != last && r.Status == release.StatusDeployed {
			if err := x.supersede(ctx, j, r); err != nil {
				return err
			}
		}
	}
	if err := x.finish(ctx, j, last, last.Outcome, release.StatusUninstalled, "Uninstallation complete"); err != nil {
		return err
	}
	x.Observed.Baselines.Set(j.Key, nil)
	x.Metrics.Forget(x.Environment, j.Spec.Name)
	return nil
}

func abbreviated(sha string) string { return sha[:min(7, len(sha))] }
