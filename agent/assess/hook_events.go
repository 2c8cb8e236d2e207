package assess

import (
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// hookEvents are the events whose hooks the job's rollout runs.
func (j *Release) hookEvents() []string {
	action := Actions[j.Decision.Act]
	if j.Decision.Act == decide.Resume {
		action = j.State.History.Pending().Action
	}
	pre, post := HookEvents(action)
	if slices.ContainsFunc(j.Spec.Verify, func(c manifest.Check) bool { return c.Test }) {
		return []string{pre, post, plan.Test}
	}
	return []string{pre, post}
}

func HookEvents(a record.Action) (pre, post string) {
	switch a {
	case record.Install:
		return plan.PreInstall, plan.PostInstall
	case record.Rollback:
		return plan.PreRollback, plan.PostRollback
	default:
		return plan.PreUpgrade, plan.PostUpgrade
	}
}

// Actions are what the acts that write a record of their own are recorded as.
var Actions = map[decide.Act]record.Action{decide.Install: record.Install, decide.Upgrade: record.Upgrade, decide.Rollback: record.Rollback}
