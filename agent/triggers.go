package agent

import (
	"slices"

	"github.com/xetys/tether/agent/inbox"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source"
)

// fetched enters the head that a fetch found. A ref that is gone changes nothing.
func (e *environment) fetched(head source.Head) {
	why := inbox.Reason(head.Err)
	news := e.inbox.SetMissing(why)
	switch {
	case why == "":
		e.inbox.SetHead(head)
	case news:
		e.log.Error("there is no head; the last good commit stays in force", "ref", string(e.ref), "error", why)
	}
}

// objectChanged is called by the watch cache on every event of the environment's objects. Here a
// drift event begins: drifted says that fields which are the agent's may have changed.
func (e *environment) objectChanged(id manifest.ID, drifted bool) {
	if !drifted {
		e.inbox.TriggerSoon()
		return
	}
	e.Observed.Touched.Touch(id, e.Observed.Baselines.Objects)
	e.inbox.Trigger()
}

// controlChanged enters what people ask for, and wakes the loop.
func (e *environment) controlChanged(text string) {
	control := ledger.ParseControl(e.Environment, text)
	before := e.inbox.SetControl(control)
	if !slices.Equal(before.Pauses, control.Pauses) {
		e.rollouts.Stop(rollout.ErrPaused) // what may go on is decided anew
	}
	if control.Sync != nil && (before.Sync == nil || before.Sync.ID != control.Sync.ID) {
		e.agent.fetchNow()
	}
	e.inbox.Trigger()
}

// referenceChanged enters that an object which the environment refers to in the cluster changed.
// A deploy that read it before is stopped.
func (e *environment) referenceChanged(ref manifest.Reference) {
	e.inbox.AddReferences(ref.String())
	e.rollouts.Stop(&rollout.Interruption{Text: ref.String() + " changed"})
	e.inbox.Trigger()
}
