package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// repair puts back what drifted, by the plan that found it.
func (x *Executor) repair(ctx, waits context.Context, j *run) error {
	drifted := j.Plan.Drifted()
	var texts []string
	for _, c := range drifted {
		texts = append(texts, fmt.Sprintf("%s: %s", c.ID, x.reportDrift(ctx, j, c, "putting it back")))
	}
	if slices.ContainsFunc(drifted, func(c plan.Change) bool { return c.Action == plan.Deferred }) {
		if err := x.ensureNamespace(ctx, j.Key.Namespace); err != nil {
			return err
		}
	}
	if err := x.apply(ctx, waits, j, x.bounds(j, nil)); err != nil {
		return err
	}
	if len(drifted) > 0 { // else all of it is refused
		x.Metrics.Corrected(x.Environment, j.Spec.Name, len(drifted))
		j.outcome.Repaired = append(j.outcome.Repaired, ledger.Act{Kind: ledger.Repaired, At: x.Now(), Release: j.Spec.Name, Reason: x.Veil.Text(ledger.JoinFirst(texts))})
		j.outcome.Outcome = ledger.Outcome{Name: j.Spec.Name, Action: string(decide.Repair), Outcome: string(ledger.Applied),
			Revision: j.State.History.Current().Revision, Reason: fmt.Sprintf("%d objects had drifted", len(drifted))}
	}
	for _, c := range drifted {
		x.putBack(ctx, j, c)
	}
	if h := x.Observed.Baselines.Of(j.Key); h != nil {
		left := *h
		left.Stale, left.Drift = false, slices.DeleteFunc(slices.Clone(h.Drift), func(d ledger.Drift) bool {
			return slices.ContainsFunc(drifted, func(c plan.Change) bool { return c.ID.String() == d.Object })
		})
		x.Observed.Baselines.Set(j.Key, &left)
	}
	if err := j.Refused(); err != nil {
		return fmt.Errorf("put back: %w", err)
	}
	if !j.Gate {
		x.replaceStuckPods(ctx, j, drifted)
		return nil
	}
	return x.cluster.Wait(waits, wait.Awaited{Objects: j.NotLeftToOthers(j.Lasting), Bounds: x.bounds(j, nil), Progress: x.waiting(j)})
}

// replaceStuckPods waits for StatefulSets that were put back, beside all else: the pods that
// somebody's edit broke are replaced only while something waits for them. What becomes of
// them shows as the release's health.
func (x *Executor) replaceStuckPods(ctx context.Context, j *run, drifted []plan.Change) {
	var sets []manifest.ID
	for _, c := range drifted {
		if c.Kind == "StatefulSet" && c.Group == "apps" {
			sets = append(sets, c.ID)
		}
	}
	if len(sets) == 0 {
		return
	}
	name, awaited := j.Spec.Name, wait.Awaited{Objects: sets, Bounds: wait.Within(j.Spec.Timeout, x.Now())}
	x.Background.Go(func() {
		var unhealthy *wait.UnhealthyError
		if err := x.cluster.Wait(ctx, awaited); errors.As(err, &unhealthy) {
			x.Log.Warn("what was put back is not healthy", "release", name, "error", err)
		} // else it is healthy, or was changed since: then it is surveyed anew
	})
}
