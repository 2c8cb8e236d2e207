package assess

import (
	"context"

	"github.com/xetys/tether/apply/plan"
)

// overdrawn says which quotas the commit would exceed, though each of its objects fits.
func (a *Assessor) overdrawn(ctx context.Context, changing []*Release) ([]string, error) {
	var plans []plan.Plan
	records := map[string]int{}
	for _, j := range changing {
		if j.automatic() {
			continue // what goes back took that room before
		}
		plans = append(plans, j.Plan)
		if _, writes := Actions[j.Decision.Act]; writes {
			records[j.Key.Namespace]++
		}
	}
	over, err := a.Cluster.Inspector.OverQuota(ctx, plans, records)
	return append([]string{}, over...), err
}
