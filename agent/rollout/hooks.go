package rollout

import (
	"context"
	"time"

	"github.com/xetys/tether/apply/execute"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// runHooks runs the hooks of one event, and records each that has ended: an
// interruption runs none of them twice.
func (x *Executor) runHooks(ctx, waits context.Context, j *run, hooks []manifest.Hook, rec *record.Record, event string) error {
	run := execute.HookRun{Event: event, Bounds: x.bounds(j, rec), Progress: x.waiting(j), Revision: rec.Revision, Request: rec.Request, Provisions: j.Plan.ForReplan()}
	if rec.HookEvent == event {
		run.Skip = rec.HooksDone
	}
	run.Ran = func(n int, h manifest.Hook, started time.Time, err error) error {
		err = x.records.HookRan(ctx, rec, event, n, h, started, x.Now(), err != nil)
		x.remember(j, j.State.History)
		return err
	}
	return x.cluster.RunHooks(waits, j.Owner, hooks, run)
}
