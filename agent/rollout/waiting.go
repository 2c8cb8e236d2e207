package rollout

import (
	"fmt"
	"time"

	"github.com/xetys/tether/apply/judge"
)

// waiting says what a rollout waits for, whenever that changes: to the ledger, and
// to the log, not more often than a person can read.
func (x *Executor) waiting(j *run) func([]judge.Health) {
	var last time.Time
	return func(open []judge.Health) {
		text := ""
		if len(open) > 0 {
			text = fmt.Sprintf("%s: %s", open[0].ID, open[0].Reason)
		}
		x.Waiting(j.Key, x.Veil.Text(text))
		now := x.Now()
		if len(open) == 0 || now.Sub(last) < 2*time.Second {
			return
		}
		last = now
		x.Log.Info("waiting", "release", j.Spec.Name, "for", open[0].ID.String(), "reason", open[0].Reason, "more", len(open)-1)
	}
}
