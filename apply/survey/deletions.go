package survey

import (
	"context"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// Deletions checks by dry-runs whether a plan's deletions are allowed, before anything of the
// commit is written. In the plan that it returns, those that are not allowed are refused.
func (v *Surveyor) Deletions(ctx context.Context, p plan.Plan) (plan.Plan, error) {
	deletions := p.Of(plan.Delete)
	if len(deletions) == 0 || slices.ContainsFunc(deletions, isAdmission) {
		return p, nil // what judges deletions goes first itself
	}
	var mu sync.Mutex
	denied := map[manifest.ID]string{}
	objects := make([]manifest.Object, 0, len(deletions))
	for _, ch := range deletions {
		if ch.Live.GetDeletionTimestamp() == nil {
			objects = append(objects, manifest.Object{Unstructured: ch.Live})
		}
	}
	err := v.client.Each(ctx, objects, func(ctx context.Context, o manifest.Object) error {
		err := apierror.Retry(ctx, func() error { return v.client.Delete(ctx, o.Unstructured, client.DryRunAll) })
		switch {
		case err == nil, apierror.WebhookDown(err): // which may be up by then
			return nil
		case apierror.Transient(err), ctx.Err() != nil:
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		denied[o.ID()] = err.Error()
		return nil
	})
	for i, ch := range p.Changes {
		if why := denied[ch.ID]; why != "" && ch.Action == plan.Delete {
			p.Changes[i].Action, p.Changes[i].Why = plan.Refused, "it is no longer wanted, and may not be deleted: "+why
		}
	}
	return p, err
}

// isAdmission reports whether an object has a say in what may be deleted.
func isAdmission(c plan.Change) bool { return c.Group == "admissionregistration.k8s.io" }
