package rollout

import (
	"context"
	"time"

	"helm.sh/helm/v3/pkg/release"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply/execute"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// Cluster is what rollouts do to a cluster. The parts of apply.Cluster implement it, and
// document each method.
type Cluster interface {
	EnsureNamespace(ctx context.Context, name string, labels map[string]string) error
	RunHooks(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, run execute.HookRun) error
	Apply(ctx, waits context.Context, rel plan.Owner, p plan.Plan, progress func([]judge.Health)) error
	Wait(ctx context.Context, a wait.Awaited) error
	WaitFor(ctx context.Context, objects []manifest.ID, bounds wait.Bounds, progress func([]judge.Health)) error
	Verify(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, checks []manifest.Check, bounds wait.Bounds, progress func([]judge.Health)) error
	Prune(ctx context.Context, p plan.Plan, bounds wait.Bounds, progress func([]judge.Health)) error

	PendingDeletions(p plan.Plan) []manifest.ID
	InPlace(p plan.Plan) bool
	Left(objects []manifest.ID) []byte
	AnyThere(ctx context.Context, objects []manifest.Object) (bool, error)
	WithHolders(ctx context.Context, err error) error
	Namespaced(kind schema.GroupVersionKind) (namespaced, known bool)
}

// Records is where rollouts store release records. record.Store implements it, and says what each
// does.
type Records interface {
	History(ctx context.Context, namespace, name string) ([]*record.Record, error)
	Create(ctx context.Context, r *record.Record) error
	Finish(ctx context.Context, r *record.Record, o record.Outcome, status release.Status, description string, changes ...record.Change) error
	Supersede(ctx context.Context, r *record.Record) error
	HookRan(ctx context.Context, r *record.Record, event string, n int, h manifest.Hook, started, ended time.Time, failed bool) error
	Hold(ctx context.Context, r *record.Record, deadline, since time.Time) error
	Trim(ctx context.Context, h record.History, keep int) (record.History, error)
	Delete(ctx context.Context, r *record.Record) error
}

// Surveyor surveys a release anew, where it was changed during its rollout or goes back.
// assess.Surveyor implements it, and says what each does.
type Surveyor interface {
	Describe(ctx context.Context, r *assess.Release) error
	Survey(ctx context.Context, r *assess.Release, provisions plan.Provisions) error
	SurveyRollout(ctx context.Context, r *assess.Release, provisions plan.Provisions) error
	Reload(r *assess.Release) error
	Moves(ctx context.Context, releases []*assess.Release) plan.Moves
	ManifestOf(ctx context.Context, r *record.Record, scope manifest.Scope) (*manifest.Release, error)
}
