package assess

import (
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
)

// Assessor assesses an environment, with what the loop knew when it began.
type Assessor struct {
	*Surveyor
	Ledger   *ledger.Ledger
	Control  ledger.Control           // what people ask for
	Tried    map[observed.Key]string  // the request for which a release was tried again
	Waits    func(observed.Key) error // the trouble for which a release waits; nil if it does not
	UnderWay bool                     // a commit is carried out

	// Busy is until when the first rollout lasts that somebody else began; zero if there is none.
	Busy time.Time
}

// passAfter has a pass made when somebody else should have ended the rollout that they began.
func (a *Assessor) passAfter(until time.Time) {
	if a.Busy.IsZero() || until.Before(a.Busy) {
		a.Busy = until
	}
}
