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
	Event      func(ctx context.Context, kind, reason, text string)
	Waiting    func(release observed.Key, what string) // is told what a rollout waits for; empty for nothing any more
	Reverts    map[string]string                       // what commits say to revert, by their IDs
	Request    string                                  // the last request of a person, by which it was decided
	Background *sync.WaitGroup                         // what goes on beside the rollouts
}

// recorder keeps the records of rollouts.
type recorder struct {
	*assess.Site
	Options
	cluster    Cluster
	records    Records
	surveyor   Surveyor
	namespaces ensuredNamespaces
}

// Executor rolls releases of one environment out, as was decided about them. It is made for one
// commit, and safe for concurrent use: each release has a goroutine of its own.
type Executor struct{ recorder }

// New returns an Executor that surveys anew as a surveyor does.
func New(s *assess.Surveyor, o Options) *Executor {
	return &Executor{recorder{Site: s.Site, Options: o, cluster: clusterAdapter{s.Cluster}, records: s.Cluster.Records, surveyor: s}}
}

// Outcome is the result of a release's rollout.
type Outcome struct {
	ledger.Outcome
	Release  *assess.Release // as it was left: with the last decision, and its records
	Left     []manifest.ID   // objects that its rollout deleted and that are not gone
	Repaired []ledger.Act    // corrections of drift
	Err      error
}

// run is one release under way: the rollout's own copy of what was assessed, and its outcome so
// far.
type run struct {
	*assess.Release
	commit  string // that its rollout belongs to
	outcome Outcome
	applied bool // the rollout came to its objects
}
