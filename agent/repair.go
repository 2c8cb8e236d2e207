package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/apply"
)

// repair puts back what drifted, by the plan that found it.
func (e *environment) repair(ctx, waits context.Context, l *loaded, j *job) error {
	drifted := j.plan.Drifted()
	for _, c := range drifted {
		e.reportDrift(ctx, j, c, "putting it back")
	}
	if slices.ContainsFunc(drifted, func(c apply.Change) bool { return c.Action == apply.Deferred }) {
		if err := e.ensureNamespace(ctx, l, j.key.namespace); err != nil {
			return err
		}
	}
	if err := e.cluster.Apply(ctx, j.owner, j.plan); err != nil {
		return err
	}
	e.agent.metrics.corrections.WithLabelValues(e.name, j.spec.Name).Add(float64(len(drifted)))
	for _, c := range drifted {
		e.putBack(ctx, j, c)
	}
	if h := e.heldOf(j.key); h != nil {
		e.hold(j.key, &held{revision: h.revision, ids: h.ids, lasting: h.lasting, foreign: h.foreign, drift: slices.DeleteFunc(slices.Clone(h.drift), func(d ObjectDrift) bool {
			return slices.ContainsFunc(drifted, func(c apply.Change) bool { return c.ID.String() == d.Object })
		})})
	}
	j.outcome = ReleaseOutcome{Name: j.spec.Name, Action: string(Repair), Outcome: string(Applied),
		Revision: j.state.History.Current().Revision, Reason: fmt.Sprintf("%d objects had drifted", len(drifted))}
	if err := j.refused(); err != nil {
		return fmt.Errorf("put back: %w", err)
	}
	if !j.gate {
		return nil
	}
	return e.cluster.Wait(waits, j.lasting, j.spec.Timeout, e.waiting(j))
}

// news is something that is told once: to the log, and by an event.
type news struct{ reason, release, text string }

// note takes down what a survey found that stays in the cluster, if it was not there
// before: drift that is only reported, and fields that people's tools added.
func (e *environment) note(j *job, before, now *held) {
	var known []ObjectDrift
	if before != nil {
		known = slices.Concat(before.drift, before.foreign)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, d := range slices.Concat(now.drift, now.foreign) {
		if slices.Contains(known, d) || !d.Foreign && j.state.Correct {
			continue
		}
		n := news{"Drift", j.spec.Name, fmt.Sprintf("%s: %s is %s, not %s", d.Object, d.Path, d.Have, d.Want)}
		if d.Foreign {
			n.reason, n.text = "Foreign", fmt.Sprintf("%s: %s is %s, which is not of the chart", d.Object, d.Path, d.Have)
		}
		if d.Manager != "" {
			n.text += ", by " + d.Manager
		}
		e.news = append(e.news, n)
	}
}

// tell says what was taken down.
func (e *environment) tell(ctx context.Context) {
	e.mu.Lock()
	all := e.news
	e.news = nil
	e.mu.Unlock()
	for _, n := range all {
		e.log.Warn(strings.ToLower(n.reason), "release", n.release, "what", n.text, "doing", "leaving it")
		e.emit(ctx, "Warning", n.reason, fmt.Sprintf("release %s: %s; it is left as it is", n.release, n.text))
	}
}

// reportDrift says what drifted, who did it and since when.
func (e *environment) reportDrift(ctx context.Context, j *job, c apply.Change, doing string) {
	text := fmt.Sprintf("%s: deleted", c.ID)
	if c.Live != nil {
		text = fmt.Sprintf("%s: others own its fields", c.ID)
	}
	manager := ""
	if fields := j.owner.Differences(c); len(fields) > 0 {
		var parts []string
		for _, f := range fields {
			j.secrets.MaskBoth(&f.Have, &f.Want)
			parts = append(parts, fmt.Sprintf("%s is %s, not %s", f.Path, f.Have, f.Want))
			if manager == "" {
				manager = f.Manager
			}
		}
		text = fmt.Sprintf("%s: %s", c.ID, strings.Join(parts, "; "))
	}
	if manager != "" {
		text += ", by " + manager
	}
	e.log.Warn("drift", "release", j.spec.Name, "what", text, "doing", doing)
	e.emit(ctx, "Warning", "Drift", fmt.Sprintf("release %s: %s; %s", j.spec.Name, text, doing))
}
