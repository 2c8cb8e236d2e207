package execute

import (
	"context"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
)

// pruneWebhooks deletes the webhook configurations that a plan no longer wants, before
// anything else, if objects wait for a webhook: it may be one of those.
func (x *Executor) pruneWebhooks(ctx, waits context.Context, p plan.Plan) error {
	blocked, gone := false, plan.Plan{}
	for _, ch := range p.Changes {
		blocked = blocked || ch.AwaitsWebhook
		if ch.Action == plan.Delete && ch.Stage == plan.StageWebhooks {
			gone.Changes = append(gone.Changes, ch)
		}
	}
	if !blocked {
		return nil
	}
	w, done := waitingFor(ctx, waits, nil, nil)
	defer done()
	return x.Prune(w.Context, gone, wait.Bounds{}, nil)
}
