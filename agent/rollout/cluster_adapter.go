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

// clusterAdapter implements Cluster with the parts of an apply.Cluster.
type clusterAdapter struct{ *apply.Cluster }

func (r clusterAdapter) RunHooks(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, run execute.HookRun) error {
	return r.Hooks.Run(ctx, rel, hooks, run)
}

func (r clusterAdapter) Apply(ctx, waits context.Context, rel plan.Owner, p plan.Plan, progress func([]judge.Health)) error {
	return r.Executor.Apply(ctx, waits, rel, p, progress)
}

func (r clusterAdapter) Wait(ctx context.Context, a wait.Awaited) error {
	return r.Waiter.ForApplied(ctx, a)
}

func (r clusterAdapter) WaitFor(ctx context.Context, objects []manifest.ID, bounds wait.Bounds, progress func([]judge.Health)) error {
	return r.Waiter.ForHealthy(ctx, objects, bounds, progress)
}

func (r clusterAdapter) Verify(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, checks []manifest.Check, bounds wait.Bounds, progress func([]judge.Health)) error {
	return r.Verifier.Verify(ctx, rel, hooks, checks, bounds, progress)
}

func (r clusterAdapter) Prune(ctx context.Context, p plan.Plan, bounds wait.Bounds, progress func([]judge.Health)) error {
	return r.Executor.Prune(ctx, p, bounds, progress)
}

func (r clusterAdapter) PendingDeletions(p plan.Plan) []manifest.ID {
	return r.Inspector.PendingDeletions(p)
}

func (r clusterAdapter) InPlace(p plan.Plan) bool { return r.Inspector.InPlace(p) }

func (r clusterAdapter) Left(objects []manifest.ID) []byte { return r.Live.Placements.Hashes(objects) }

func (r clusterAdapter) AnyThere(ctx context.Context, objects []manifest.Object) (bool, error) {
	return r.Inspector.AnyExists(ctx, objects)
}
