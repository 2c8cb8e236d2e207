package agent

import (
	"slices"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/rollout"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source"
)

// hear takes note of a fetch. A ref that is not there any more changes nothing.
func (e *environment) hear(head source.Head) {
	why := reason(head.Err)
	news := e.inbox.goneFor(why)
	switch {
	case why == "":
		e.inbox.arrive(head)
	case news:
		e.log.Error("there is no head; the last good commit stays in force", "ref", string(e.ref), "error", why)
	}
}

// changed is told by the live cache of every event on our objects.
func (e *environment) changed(id manifest.ID, drifted bool) {
	if !drifted {
		e.inbox.nudge()
		return
	}
	e.Observed.Touched.Touch(id, e.Observed.Baselines.Objects)
	e.inbox.trigger()
}

// instructed takes note of what people ask for, and has it looked at.
func (e *environment) instructed(text string) {
	control, err := ledger.ParseControl(text)
	if err != nil {
		e.log.Error("what was asked for can't be read", "error", err)
		return
	}
	before := e.inbox.instruct(control)
	if !slices.Equal(before.Pauses, control.Pauses) {
		e.rollouts.stop(errPaused) // what may go on is decided anew
	}
	if control.Sync != nil && (before.Sync == nil || before.Sync.ID != control.Sync.ID) {
		e.agent.fetchNow()
	}
	e.inbox.trigger()
}

// moved takes note that something the environment refers to in the cluster is
// another than it was. A rollout with what it was before makes way.
func (e *environment) moved(ref manifest.Reference) {
	e.inbox.stir(ref.String())
	e.rollouts.stop(&rollout.Interruption{Text: ref.String() + " changed"})
	e.inbox.trigger()
}
