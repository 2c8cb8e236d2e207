package assess

import (
	"context"
	"fmt"
	"strings"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/plan"
)

// Survey plans a job, and decides anew if it turns out to have drifted.
func (a *Surveyor) Survey(ctx context.Context, j *Release, provisions plan.Provisions) error {
	if j.Manifest == nil {
		return nil
	}
	if !j.Changes() { // else its baseline stays, and what was touched is still to be compared with it
		a.Observed.Touched.MarkSurveyed(j.IDs)
	}
	if err := a.replan(ctx, j, provisions); err != nil {
		a.Observed.Baselines.Set(j.Key, nil)
		return fmt.Errorf("release %s: %w", j.Spec.Name, err)
	}
	if j.Changes() {
		return nil
	}
	j.Plan = j.Plan.WithoutExpired()
	found := &observed.Baseline{Revision: j.State.History.Settled().Revision, IDs: j.NotLeftToOthers(j.IDs), Lasting: j.NotLeftToOthers(j.Lasting), LeftToOthers: j.Plan.LeftToOthers(), Drift: driftOf(j), Foreign: ForeignFields(j), By: observed.TermsOf(j.Owner)}
	for _, list := range [][]ledger.Drift{found.Drift, found.Foreign} {
		for i := range list {
			j.Veil().MaskDrift(&list[i].Want, &list[i].Have)
		}
	}
	a.Listener.Surveyed(j, a.Observed.Baselines.Of(j.Key), found)
	a.Observed.Baselines.Set(j.Key, found)
	j.Found = found
	j.Plan = a.Observed.Fights.WithoutFought(j.Plan, a.Now())
	j.State.Drifted = j.Plan.Pending() || len(j.Plan.Refusals()) > 0
	j.decide()
	return nil
}

// SurveyRollout is survey, and judges the hooks that the job's rollout will run.
func (a *Surveyor) SurveyRollout(ctx context.Context, j *Release, provisions plan.Provisions) error {
	if err := a.Survey(ctx, j, provisions); err != nil || j.Manifest == nil || !j.Changes() {
		return err
	}
	if !j.Decision.Behind { // what is taken back after a failure is, whatever stays behind
		plan, err := a.Cluster.Surveyor.Deletions(ctx, j.Plan)
		if err != nil {
			return fmt.Errorf("release %s: %w", j.Spec.Name, err)
		}
		j.Plan = plan
	}
	refused, err := a.Cluster.Surveyor.Hooks(ctx, j.Owner, j.Manifest.Hooks, j.hookEvents(), provisions)
	if err != nil {
		return fmt.Errorf("release %s: %w", j.Spec.Name, err)
	}
	j.Plan.Changes = append(j.Plan.Changes, refused...)
	return nil
}

// replan compares what a job wants with what the release may have and what is live.
func (a *Surveyor) replan(ctx context.Context, j *Release, provisions plan.Provisions) error {
	past, hooks, err := a.inventory(ctx, j)
	if err != nil {
		return err
	}
	j.had = len(past)
	outgoing, err := outgoing(ctx, a, j, hooks, provisions)
	if err != nil {
		return err
	}
	provisions = provisions.WithWebhooks(j.want...).WithWebhooks(past...)
	j.Owner = j.Owner.Scales(j.want, past)
	want, err := a.Cluster.Surveyor.Relinquish(ctx, j.Owner, j.want, past)
	if err != nil {
		return err
	}
	observations, err := a.Cluster.Surveyor.Survey(ctx, want, past, provisions)
	if err != nil {
		return err
	}
	j.Plan = plan.NewPlan(j.Owner, want, past, observations, provisions).With(outgoing...)
	return nil
}

// DetectDrift looks whether a release that stays as it is has drifted, if there is reason to.
// An error is kept in the release, and does not stop others.
func (a *Surveyor) DetectDrift(ctx context.Context, l *Commit, j *Release) error {
	if j.Waits != nil {
		j.Err = j.Waits
		return nil
	}
	err := a.Describe(ctx, j)
	if err == nil && j.Manifest != nil {
		err = a.Survey(ctx, j, a.coming(ctx, l, []*Release{j})) // somebody may have deleted a CRD with all that is of its kind
	}
	if err != nil && ctx.Err() != nil {
		return err
	}
	j.Err = j.Veil().Hide(a.Cluster.WithHolders(ctx, err))
	if j.State.Unknown = err != nil; err == nil && j.Changes() {
		j.State.Refused = strings.Join(j.refusals(), "; ")
	}
	j.decide()
	return nil
}
