package agent

import (
	"context"
	"fmt"

	"github.com/xetys/tether/apply/plan"
)

// unasked is how many objects a commit may delete whatever share of the
// environment they are.
const unasked = 10

// holdDeletions holds what would delete more than the environment's budget, or
// all of it because its folder is gone, until somebody confirms it: a mistake in
// git must not empty an environment.
func (e *environment) holdDeletions(ctx context.Context, l *loaded, jobs []*job) error {
	why := e.overBudget(l, jobs)
	if why == "" {
		return nil
	}
	for _, j := range jobs {
		if j.deletions() == 0 {
			continue
		}
		j.keep(why)
		if err := e.keep(ctx, l, j); err != nil {
			return err
		}
	}
	return nil
}

// overBudget says why deletions have to be confirmed; empty if they don't.
func (e *environment) overBudget(l *loaded, jobs []*job) string {
	if l.env == nil || e.inbox.controlNow().Confirmed == l.commit {
		return ""
	}
	doomed, total := 0, 0
	for _, j := range jobs {
		doomed += j.deletions()
		n := j.had
		if h := e.baselines.heldOf(j.key); h != nil {
			n = max(n, len(h.ids))
		}
		total += n
	}
	confirm := fmt.Sprintf("confirm it with tether sync %s --confirm %s", e.name, short(l.commit))
	switch {
	case l.gone && doomed > 0:
		return fmt.Sprintf("environments/%s is gone from the repository: its %d objects are deleted once you %s", e.name, doomed, confirm)
	case doomed >= unasked && doomed*100 > l.env.PruneBudget*total:
		return fmt.Sprintf("the commit would delete %d of %d objects, more than the %d%% of pruneBudget: %s", doomed, total, l.env.PruneBudget, confirm)
	}
	return ""
}

// deletions returns how many objects a change that git asks for would delete.
func (j *job) deletions() int {
	if !j.changes() || j.state.Aborted != "" || j.goesBack() {
		return 0
	}
	n := 0
	for _, c := range j.plan.Changes {
		if c.Action == plan.Delete {
			n++
		}
	}
	return n
}
