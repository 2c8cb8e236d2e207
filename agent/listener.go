package agent

import (
	"context"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/record"
)

// listener tells the environment's loop what an assessment comes upon.
type listener struct{ e *environment }

// Wake asks for a look.
func (l listener) Wake() { l.e.inbox.trigger() }

// Damaged has records told of that are set aside.
func (l listener) Damaged(ctx context.Context, release string, h record.History) {
	l.e.tellDamage(ctx, release, h)
}

// Surveyed has what stays in the cluster told of.
func (l listener) Surveyed(r *assess.Release, before, now *observed.Held) {
	l.e.bulletin.note(r, before, now)
}

// Warn logs a warning.
func (l listener) Warn(message string, args ...any) { l.e.log.Warn(message, args...) }
