package rollout

import (
	"context"
	"log/slog"
	"sync"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/render/manifest"
)

// Options are what the rollouts of a commit are given.
type Options struct {
	Commit     *assess.Commit
	HistoryMax int // how many records a release keeps
	Log        *slog.Logger
	Metrics    *report.Metrics
	Say        func(ctx context.Context, kind, reason, text string)
	Waiting    func(release observed.Key, what string) // is told what a rollout waits for; empty for nothing any more
	Reverts    func(commit string) string              // the commit that another one reverts; empty for none
	Request    string                                  // what somebody asked for last, by which it was decided
	Beside     *sync.WaitGroup                         // what goes on beside the rollouts
}

// recorder keeps the records of rollouts.
type recorder struct {
	*assess.Surveyor
	Options
	namespaces ensured
}

// Executor carries out what was decided about the releases of one environment. It is made
// for the carrying out of one commit.
type Executor struct{ recorder }

// New returns an Executor that surveys anew as a surveyor does.
func New(s *assess.Surveyor, o Options) *Executor {
	return &Executor{recorder{Surveyor: s, Options: o}}
}

// Outcome is what became of an assessed release.
type Outcome struct {
	ledger.Outcome
	Release  *assess.Release // as it was left: with what was decided last, and its records
	Left     []manifest.ID   // what its rollout deleted and is not gone
	Repaired []ledger.Act    // drift that was put back
	Err      error
}

// run is one release on its way: its own copy of what was assessed, and what has become of
// it so far.
type run struct {
	*assess.Release
	commit  string // that its rollout belongs to
	outcome Outcome
	applied bool // the rollout came to its objects
}
