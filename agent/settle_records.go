package agent

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/apply/record"
)

// yield concludes what the environment began of releases that another one takes over, which
// waits for that. Nothing is under way any more.
func (e *environment) yield(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		p := j.State.History.Pending()
		if p == nil || j.State.Taker == "" || j.State.Paused != "" {
			continue
		}
		why := fmt.Sprintf("given up: environment %s takes the release over", j.State.Taker)
		if err := e.Cluster.Records.Conclude(ctx, p, record.Abandoned, release.StatusFailed, why); err != nil {
			return err
		}
	}
	return nil
}

// settleRecords leaves one record of each release that is called deployed: helm may have
// concluded its own while ours was concluded.
func (e *environment) settleRecords(ctx context.Context, jobs []*job) error {
	for _, j := range jobs {
		current := j.State.History.Current()
		if current == nil || current.Environment != e.Environment || j.State.Paused != "" {
			continue
		}
		for _, r := range j.State.History.Stray() {
			if err := e.Cluster.Records.Supersede(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}
