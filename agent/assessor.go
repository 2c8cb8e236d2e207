package agent

import (
	"context"
	"errors"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/rollout"
)

// assessor returns who assesses the environment, with what is known now.
func (e *environment) assessor() *assess.Assessor {
	control := e.inbox.controlNow()
	return &assess.Assessor{Surveyor: &assess.Surveyor{Site: e.Site, Confirmed: control.Confirmed, Rolling: e.rollouts.rollsOut},
		Ledger: e.ledger, Control: control, Tried: e.retries.asked, UnderWay: e.rollouts.underWay() != nil,
		Waits: func(key observed.Key) error { return e.retries.waits(key, e.Now()) }}
}

// seen is what a look found, and what was decided.
type seen struct {
	*assess.Assessment
	jobs   []*job
	pauses []ledger.Pause // those in force when it was decided
}

// errRefused says that the head was refused; its verdict says why.
var errRefused = errors.New("the commit is refused")

// errAway says that the head needs what can't be had now; its verdict says what.
var errAway = errors.New("the commit can't be read to its end")

// superseded tells an error that is there since the reading was ended from others.
func superseded(reading context.Context, err error) error {
	if cause := context.Cause(reading); err != nil && errors.Is(cause, rollout.ErrInterrupted) {
		return cause
	}
	return err
}

// reader returns who reads commits, with what is known now.
func (e *environment) reader() *assess.Reader { return &assess.Reader{Site: e.Site, Ledger: e.ledger} }
