package agent

import (
	"context"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/record"
)

// listener gives the loop what an assessment finds besides its result.
type listener struct{ e *environment }

// Wake asks for a pass.
func (l listener) Wake() { l.e.inbox.Trigger() }

// Damaged has records reported that are set aside.
func (l listener) Damaged(ctx context.Context, release string, h record.History) {
	l.e.verdicts.Damaged(ctx, release, h)
}

// Surveyed has drift reported that stays in the cluster.
func (l listener) Surveyed(r *assess.Release, before, now *observed.Baseline) {
	l.e.verdicts.DriftFound(r, before, now)
}

// Warn logs a warning.
func (l listener) Warn(message string, args ...any) { l.e.log.Warn(message, args...) }
