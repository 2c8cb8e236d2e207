package agent

import (
	"io/fs"
	"log/slog"
	"sync"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// process is what the environments of one process share.
type process struct {
	opts     Options
	repo     source.Source
	log      *slog.Logger
	metrics  *report.Metrics
	renderer *render.Renderer
	poller   *source.Poller
	homes    assess.Homes
	reads    *reads.Reads // what is answered to readers; nil if nobody may read

	mu sync.Mutex
	fetching
	leading map[string]bool
}

// fetching is how the last fetch ended.
type fetching struct {
	fetchErr error
	away     *ledger.Away // why nothing new is heard of git; nil if all is well
	fetched  bool         // one went well
}

// fetchNow has the repository fetched without waiting for the interval.
func (p *process) fetchNow() { p.poller.Trigger() }

// files is a commit's tree.
func (p *process) files(commit string) (fs.FS, error) {
	rev, err := p.repo.Revision(commit)
	if err != nil {
		return nil, err
	}
	return rev.Files, nil
}

func (p *process) awayNow() *ledger.Away {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.away
}

// leads reports whether this process leads an environment.
func (p *process) leads(environment string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leading[environment]
}
