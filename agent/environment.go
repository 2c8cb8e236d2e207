package agent

import (
	"log/slog"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/lead"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/source"
)

// environment keeps one environment. Its pass runs in one goroutine at a time. What others
// touch lies in parts that have a lock of their own; all else is the loop's alone.
type environment struct {
	*assess.Site // the environment in its cluster, and what was observed of it

	agent     *process
	ref       source.Ref
	log       *slog.Logger
	reporter  *report.Reporter
	candidate *lead.Candidate

	inbox    *inbox   // what others tell the loop
	rollouts rollouts // what is being carried out
	bulletin bulletin // what is to be told
	labels   labels   // the namespace's
	stored   stored   // where the ledger is stored

	memory
}

// memory is what the loop alone remembers.
type memory struct {
	desired *desired       // what git asks for
	ledger  *ledger.Ledger // what the last look left; nil before the first
	retries *retries       // what is tried again, and when
}

// forget drops all that was remembered of the cluster: another leader may have
// changed it.
func (e *environment) forget() {
	e.inbox.forget()
	e.Observed.Forget()
	e.rollouts.forget()
	e.bulletin.forget()
	e.labels.forget()
	e.stored.forget()
	e.desired, e.retries, e.ledger = newDesired(), newRetries(), nil
}
