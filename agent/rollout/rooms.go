package rollout

import (
	"context"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/execute"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// rooms implements Cluster by the rooms of an apply.Cluster.
type rooms struct{ *apply.Cluster }

func (r rooms) RunHooks(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, run execute.HookRun) error {
	return r.Hooks.Run(ctx, rel, hooks, run)
}

func (r rooms) Apply(ctx, waits context.Context, rel plan.Owner, p plan.Plan, progress func([]judge.Health)) error {
	return r.Executor.Apply(ctx, waits, rel, p, progress)
}

func (r rooms) Wait(ctx context.Context, a wait.Awaited) error { return r.Waiter.ForApplied(ctx, a) }

func (r rooms) WaitFor(ctx context.Context, objects []manifest.ID, bounds wait.Bounds, progress func([]judge.Health)) error {
	return r.Waiter.ForHealthy(ctx, objects, bounds, progress)
}

func (r rooms) Verify(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, checks []manifest.Check, bounds wait.Bounds, progress func([]judge.Health)) error {
	return r.Verifier.Verify(ctx, rel, hooks, checks, bounds, progress)
}

func (r rooms) Prune(ctx context.Context, p plan.Plan, bounds wait.Bounds, progress func([]judge.Health)) error {
	return r.Executor.Prune(ctx, p, bounds, progress)
}

func (r rooms) PendingDeletions(p plan.Plan) []manifest.ID { return r.Inspector.PendingDeletions(p) }

func (r rooms) InPlace(p plan.Plan) bool { return r.Inspector.InPlace(p) }

func (r rooms) Left(objects []manifest.ID) []byte { return r.Live.Placements.Left(objects) }

func (r rooms) AnyThere(ctx context.Context, objects []manifest.Object) (bool, error) {
	return r.Inspector.AnyExists(ctx, objects)
}
