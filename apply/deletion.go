package apply

import (
	"context"
	"slices"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// DeletionError says that the API server would not have an object deleted.
type DeletionError struct{ err error }

// Error names the object, and says what the server said.
func (e *DeletionError) Error() string { return e.err.Error() }

// Unwrap returns the server's answer.
func (e *DeletionError) Unwrap() error { return e.err }

// TryDeletions asks whether what a plan deletes may be deleted: nothing of a commit is
// written whose objects could not be taken away in the end. What may not is refused in
// the plan that it returns.
func (c *Cluster) TryDeletions(ctx context.Context, p plan.Plan) (plan.Plan, error) {
	doomed := p.Of(plan.Delete)
	if len(doomed) == 0 || slices.ContainsFunc(doomed, admits) {
		return p, nil // what judges deletions goes first itself
	}
	var mu sync.Mutex
	denied := map[manifest.ID]string{}
	objects := make([]manifest.Object, 0, len(doomed))
	for _, ch := range doomed {
		if ch.Live.GetDeletionTimestamp() == nil {
			objects = append(objects, manifest.Object{Unstructured: ch.Live})
		}
	}
	err := c.Each(ctx, objects, func(ctx context.Context, o manifest.Object) error {
		err := apierror.Retry(ctx, func() error { return c.Delete(ctx, o.Unstructured, client.DryRunAll) })
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

// admits reports whether an object has a say in what may be deleted.
func admits(c plan.Change) bool { return c.Group == "admissionregistration.k8s.io" }
