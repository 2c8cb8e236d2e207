package assess

import (
	"context"
	"fmt"

	"github.com/xetys/tether/apply/plan"
)

// unasked is how many objects a commit may delete whatever share of the
// environment they are.
const unasked = 10

// holdDeletions holds the releases of a commit that would delete more objects than the prune
// budget, or everything because the environment's folder is gone, until somebody confirms it: a
// mistake in git must not empty an environment.
func (a *Assessor) holdDeletions(ctx context.Context, l *Commit, jobs []*Release) error {
	why := a.overBudget(l, jobs)
	if why == "" {
		return nil
	}
	for _, j := range jobs {
		if j.deletions() == 0 {
			continue
		}
		j.KeepCurrent(why)
		if err := a.DetectDrift(ctx, l, j); err != nil {
			return err
		}
	}
	return nil
}

// overBudget says why deletions have to be confirmed; empty if they don't.
func (a *Assessor) overBudget(l *Commit, jobs []*Release) string {
	if l.Env == nil || a.Control.Confirmed == l.SHA {
		return ""
	}
	doomed, total := 0, 0
	for _, j := range jobs {
		doomed += j.deletions()
		n := j.had
		if h := a.Observed.Baselines.Of(j.Key); h != nil {
			n = max(n, len(h.IDs))
		}
		total += n
	}
	confirm := fmt.Sprintf("confirm it with tether sync %s --confirm %.7s", a.Environment, l.SHA)
	switch {
	case l.Gone && doomed > 0:
		return fmt.Sprintf("environments/%s is gone from the repository: its %d objects are deleted once you %s", a.Environment, doomed, confirm)
	case doomed >= unasked && doomed*100 > l.Env.PruneBudget*total:
		return fmt.Sprintf("the commit would delete %d of %d objects, more than the %d%% of pruneBudget: %s", doomed, total, l.Env.PruneBudget, confirm)
	}
	return ""
}

// deletions returns how many objects a change that git asks for would delete.
func (j *Release) deletions() int {
	if !j.Changes() || j.State.Aborted != "" || j.GoesBack() {
		return 0
	}
	n := 0
	for _, c := range j.Plan.Changes {
		if c.Action == plan.Delete {
			n++
		}
	}
	return n
}
