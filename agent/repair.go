package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// repair puts back what drifted, by the plan that found it.
func (e *environment) repair(ctx, waits context.Context, l *loaded, j *job) error {
	drifted := j.plan.Drifted()
	var texts []string
	for _, c := range drifted {
		texts = append(texts, fmt.Sprintf("%s: %s", c.ID, e.reportDrift(ctx, j, c, "putting it back")))
	}
	if slices.ContainsFunc(drifted, func(c plan.Change) bool { return c.Action == plan.Deferred }) {
		if err := e.ensureNamespace(ctx, l, j.key.namespace); err != nil {
			return err
		}
	}
	if err := e.apply(ctx, waits, j, e.bounds(j, nil)); err != nil {
		return err
	}
	e.agent.metrics.PutBack(e.name, j.spec.Name, len(drifted))
	e.bulletin.putBack(ledger.Act{Kind: ledger.Repaired, At: e.agent.opts.Now(), Release: j.spec.Name, Reason: few(texts)})
	for _, c := range drifted {
		e.putBack(ctx, j, c)
	}
	if h := e.baselines.heldOf(j.key); h != nil {
		left := *h
		left.stale, left.drift = false, slices.DeleteFunc(slices.Clone(h.drift), func(d ledger.Drift) bool {
			return slices.ContainsFunc(drifted, func(c plan.Change) bool { return c.ID.String() == d.Object })
		})
		e.baselines.hold(j.key, &left)
	}
	j.outcome = ledger.Outcome{Name: j.spec.Name, Action: string(decide.Repair), Outcome: string(ledger.Applied),
		Revision: j.state.History.Current().Revision, Reason: fmt.Sprintf("%d objects had drifted", len(drifted))}
	if err := j.refused(); err != nil {
		return fmt.Errorf("put back: %w", err)
	}
	if !j.gate {
		e.freeStuck(ctx, j, drifted)
		return nil
	}
	return e.cluster.Wait(waits, apply.Awaited{Objects: j.own(j.lasting), Bounds: e.bounds(j, nil), Progress: e.waiting(j)})
}

// freeStuck waits for StatefulSets that were put back, beside all else: the pods that
// somebody's edit broke are replaced only while something waits for them. What becomes of
// them shows as the release's health.
func (e *environment) freeStuck(ctx context.Context, j *job, drifted []plan.Change) {
	var sets []manifest.ID
	for _, c := range drifted {
		if c.Kind == "StatefulSet" && c.Group == "apps" {
			sets = append(sets, c.ID)
		}
	}
	if len(sets) == 0 {
		return
	}
	name, awaited := j.spec.Name, apply.Awaited{Objects: sets, Bounds: apply.Within(j.spec.Timeout, e.agent.opts.Now())}
	e.rollouts.beside.Go(func() {
		var unhealthy *apply.UnhealthyError
		if err := e.cluster.Wait(ctx, awaited); errors.As(err, &unhealthy) {
			e.log.Warn("what was put back is not healthy", "release", name, "error", err)
		} // else it is healthy, or was changed since: then it is looked at anew
	})
}

// reportDrift says what drifted, who did it and since when, and returns what it says
// of the object.
func (e *environment) reportDrift(ctx context.Context, j *job, c plan.Change, doing string) string {
	text := "deleted"
	if c.Live != nil {
		text = "others own its fields"
	}
	manager := ""
	if fields := j.owner.Differences(c); len(fields) > 0 {
		var parts []string
		for _, f := range fields {
			j.veil().MaskDrift(&f.Want, &f.Have)
			parts = append(parts, fmt.Sprintf("%s is %s, not %s", f.Path, f.Have, f.Want))
			if manager == "" {
				manager = f.Manager
			}
		}
		text = few(parts)
	}
	if manager != "" {
		text += ", by " + manager
	}
	what := fmt.Sprintf("%s: %s", c.ID, text)
	e.log.Warn("drift", "release", j.spec.Name, "what", what, "doing", doing)
	e.reporter.Say(ctx, "Warning", "Drift", fmt.Sprintf("release %s: %s; %s", j.spec.Name, what, doing))
	return text
}
