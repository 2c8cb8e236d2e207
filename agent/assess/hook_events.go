package assess

import (
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply"
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
		return []string{pre, post, apply.Test}
	}
	return []string{pre, post}
}

func HookEvents(a record.Action) (pre, post string) {
	switch a {
	case record.Install:
		return apply.PreInstall, apply.PostInstall
	case record.Rollback:
		return apply.PreRollback, apply.PostRollback
	default:
		return apply.PreUpgrade, apply.PostUpgrade
	}
}

// Actions are what the acts that write a record of their own are recorded as.
var Actions = map[decide.Act]record.Action{decide.Install: record.Install, decide.Upgrade: record.Upgrade, decide.Rollback: record.Rollback}
