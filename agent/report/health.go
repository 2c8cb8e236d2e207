package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// HealthChange says that a release has not been healthy for a while after its rollout, or that it
// is healthy again.
type HealthChange struct {
	Namespace, Release string
	Since              time.Time // when it was not healthy any more
	Recovered          time.Time // when it was healthy again; zero if it is not
	Reason             string    // why it is not healthy
}

// maxHealthChanges bounds how many releases are told of one by one: when a node goes, all of
// them may turn at once.
const maxHealthChanges = 5

// Health enters into the ledger that the health of releases turned, and logs it. The
// caller stores the ledger and then calls Deliver.
func (r *Reporter) Health(l *ledger.Ledger, turns []HealthChange) {
	var sick, well []HealthChange
	for _, t := range turns {
		if t.Recovered.IsZero() {
			sick = append(sick, t)
			r.log.Warn("unhealthy", "release", t.Release, "since", t.Since.UTC().Format(time.RFC3339), "reason", t.Reason)
		} else {
			well = append(well, t)
			r.log.Info("healthy again", "release", t.Release, "after", t.lasted())
		}
	}
	r.enqueueHealthChanges(l, sick, "Warning", "Unhealthy", "are not healthy any more", func(t HealthChange) string {
		return fmt.Sprintf("release %s has not been healthy since %s: %s", t.Release, t.Since.UTC().Format(time.RFC3339), t.Reason)
	})
	r.enqueueHealthChanges(l, well, "Normal", "Recovered", "are healthy again", func(t HealthChange) string {
		return fmt.Sprintf("release %s is healthy again, after %s", t.Release, t.lasted())
	})
}

func (t HealthChange) lasted() string { return t.Recovered.Sub(t.Since).Round(time.Second).String() }

// enqueueHealthChanges tells turns of one kind, each by itself if they are few.
func (r *Reporter) enqueueHealthChanges(l *ledger.Ledger, turns []HealthChange, kind, reason, do string, text func(HealthChange) string) {
	if len(turns) > maxHealthChanges {
		facts, names := []string{reason}, make([]string, 0, len(turns))
		for _, t := range turns {
			facts, names = append(facts, t.Namespace, t.Release, t.Since.String()), append(names, t.Release)
		}
		enqueue(l, ledger.Message{ID: identity(facts...), Kind: kind, Reason: reason,
			Text: ledger.Shorten(fmt.Sprintf("%d releases %s: %s; tether status %s says why", len(turns), do, strings.Join(names, ", "), r.environment))})
		return
	}
	for _, t := range turns {
		enqueue(l, ledger.Message{ID: identity(reason, t.Namespace, t.Release, t.Since.String()), Kind: kind, Reason: reason, Text: ledger.Shorten(text(t))})
	}
}

// enqueue has a message told by Deliver.
func enqueue(l *ledger.Ledger, m ledger.Message) {
	l.Outbox = append(l.Outbox, m)
	if n := len(l.Outbox) - maxOutbox; n > 0 {
		l.Outbox = l.Outbox[n:]
	}
}
