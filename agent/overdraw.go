package agent

import (
	"context"

	"github.com/xetys/tether/apply/plan"
)

// overdrawn says which quotas the commit would exceed, though each of its objects fits.
func (e *environment) overdrawn(ctx context.Context, changing []*job) ([]string, error) {
	var plans []plan.Plan
	records := map[string]int{}
	for _, j := range changing {
		if j.automatic() {
			continue // what goes back took that room before
		}
		plans = append(plans, j.plan)
		if _, writes := actions[j.decision.Act]; writes {
			records[j.key.namespace]++
		}
	}
	over, err := e.cluster.Overdrawn(ctx, plans, records)
	return append([]string{}, over...), err
}
