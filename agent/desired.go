package agent

import (
	"github.com/xetys/tether/agent/assess"
)

// desired is what git asks for, as it was read last. It is the loop's.
type desired struct {
	loaded     *assess.Commit // the head's releases, prepared; nil before the first look
	asked      string         // the last request of a person when it was begun to be read
	unreported []string       // references that changed, until the ledger says so
}

func newDesired() *desired { return &desired{} }
