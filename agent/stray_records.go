package agent

import (
	"context"
	"fmt"

	"helm.sh/helm/v3/pkg/release"

	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/apply/record"
)

// repairRecords mends records before anything is begun. It leaves one record of each release
// that is called deployed: helm may have concluded its own while ours was concluded. And it
// abandons the pending rollouts of releases that another environment takes over, which waits for
// that. Nothing is under way then.
func repairRecords(ctx context.Context, environment string, records *record.Store, jobs []*deploy.Job) error {
	for _, j := range jobs {
		current := j.State.History.Current()
		if current == nil || current.Environment != environment || j.State.Paused != "" {
			continue
		}
		for _, r := range j.State.History.StaleDeployed() {
			if err := records.Supersede(ctx, r); err != nil {
				return err
			}
		}
	}
	for _, j := range jobs {
		p := j.State.History.Pending()
		if p == nil || j.State.Taker == "" || j.State.Paused != "" {
			continue
		}
		why := fmt.Sprintf("given up: environment %s takes the release over", j.State.Taker)
		if err := records.Finish(ctx, p, record.Abandoned, release.StatusFailed, why); err != nil {
			return err
		}
	}
	return nil
}
