package rollout

import (
	"context"
	"fmt"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// reportDrift says what drifted, who did it and since when, and returns what it says
// of the object.
func (x *Executor) reportDrift(ctx context.Context, j *run, c plan.Change, doing string) string {
	text := "deleted"
	if c.Live != nil {
		text = "others own its fields"
	}
	manager := ""
	if fields := j.Owner.Differences(c); len(fields) > 0 {
		var parts []string
		for _, f := range fields {
			j.Veil().MaskDrift(&f.Want, &f.Have)
			parts = append(parts, fmt.Sprintf("%s is %s, not %s", f.Path, f.Have, f.Want))
			if manager == "" {
				manager = f.Manager
			}
		}
		text = ledger.JoinFirst(parts)
	}
	if manager != "" {
		text += ", by " + manager
	}
	what := fmt.Sprintf("%s: %s", c.ID, text)
	x.Log.Warn("drift", "release", j.Spec.Name, "what", what, "doing", doing)
	x.Event(ctx, "Warning", "Drift", fmt.Sprintf("release %s: %s; %s", j.Spec.Name, what, doing))
	return text
}

func rivalOf(j *run, c plan.Change) string {
	for _, f := range j.Owner.Differences(c) {
		if f.Manager != "" {
			return f.Manager
		}
	}
	if c.Live == nil {
		return "somebody who deletes it"
	}
	return "somebody"
}

// reportDrifts says what of a rollout's objects somebody changed, and returns what each
// of them is like.
func (x *Executor) reportDrifts(ctx context.Context, j *run) map[manifest.ID]string {
	out, doing := map[manifest.ID]string{}, "leaving it"
	if j.State.Correct {
		doing = "putting it back"
	}
	for _, c := range j.Plan.Drifted() {
		switch {
		case c.Action == plan.Delete:
		case c.Live != nil && len(j.Owner.Differences(c)) == 0:
			out[c.ID] = "" // it is as it was applied, only by somebody else
		default:
			out[c.ID] = x.reportDrift(ctx, j, c, doing)
		}
	}
	return out
}

// changed counts the objects that are not as they were applied.
func changed(told map[manifest.ID]string) int {
	n := 0
	for _, text := range told {
		if text != "" {
			n++
		}
	}
	return n
}

// putBack notes that an object was put back, and says so if it is fought over.
func (x *Executor) putBack(ctx context.Context, j *run, c plan.Change) {
	times, pause := x.Observed.Fights.AddCorrection(c.ID, x.Now())
	if pause == 0 {
		return
	}
	time.AfterFunc(pause, x.Listener.Wake)
	x.Metrics.Fight(x.Environment, j.Spec.Name)
	rival := rivalOf(j, c)
	text := fmt.Sprintf("release %s: %s was put back %d times in a row, and changed again by %s: it is left alone for %s; take the field out of the chart, or the other writer away",
		j.Spec.Name, c.ID, times, rival, pause)
	x.Log.Warn("fight", "release", j.Spec.Name, "object", c.ID.String(), "by", rival, "times", times, "pause", pause.Round(100*time.Millisecond).String())
	x.Event(ctx, "Warning", "Fight", text)
}
