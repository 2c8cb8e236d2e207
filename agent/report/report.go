// Package report writes what happens in an environment to the log, as events and as metrics:
// no other package writes about verdicts.
//
// It does not know how a verdict is reached or what is done about it. Messages stay in the
// ledger (its outbox) until they were delivered, so that a crash loses none and repeats none.
package report

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// Emit writes an event by a name of its own, and reports whether it was not there yet.
type Emit func(ctx context.Context, name, kind, reason, text string) (created bool, err error)

// Reporter tells what becomes of one environment. It is used by one goroutine at a time,
// but for Event.
type Reporter struct {
	environment string
	log         *slog.Logger
	metrics     *Metrics
	emit        Emit

	mu     sync.Mutex
	silent string // why the last event could not be written; empty if it was
}

// New returns the Reporter of an environment.
func New(environment string, log *slog.Logger, m *Metrics, emit Emit) *Reporter {
	return &Reporter{environment: environment, log: log, metrics: m, emit: emit}
}

// maxOutbox bounds what waits in the ledger to be told: while events can't be written,
// the oldest are dropped, and the log still has them.
const maxOutbox = 20

// Event tells something at once, once: in the log by the caller, and here by an event. One
// that can't be written is only logged.
func (r *Reporter) Event(ctx context.Context, kind, reason, text string) {
	_, err := r.emit(ctx, "", kind, reason, text)
	r.note(err)
}

// note logs why events can't be written, once: a permission that lacks is told with each of them.
func (r *Reporter) note(err error) {
	why := ""
	if err != nil {
		why = err.Error()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if why != "" && why != r.silent {
		r.log.Warn("an event can't be written", "error", err)
	}
	r.silent = why
}

// Verdict enters into the ledger that an entry's verdict is to be told, and logs it. The
// caller stores the ledger and then calls Deliver.
func (r *Reporter) Verdict(l *ledger.Ledger, e *ledger.Entry, now time.Time) {
	args := []any{"verdict", e.Verdict, "commit", fmt.Sprintf("%.7s", e.Commit.Commit), "subject", e.Subject}
	if e.Reason != "" {
		args = append(args, "reason", e.Reason)
	}
	kind := kindOf(e.Verdict)
	if kind == "Warning" {
		r.log.Error("verdict", args...)
	} else {
		r.log.Info("verdict", args...)
	}
	if !e.Verdict.Final() {
		return
	}
	text := fmt.Sprintf("%.7s %s (%s)", e.Commit.Commit, e.Verdict, e.Subject)
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	m := ledger.Message{Kind: kind, Reason: reasonOf(e.Verdict), Text: ledger.Shorten(text), Verdict: e.Verdict,
		ID: identity(e.Commit.Commit, string(e.Verdict), e.Started.String(), now.UTC().String())}
	if e.Verdict == ledger.Applied && e.Trigger == "" {
		m.LeadSeconds = now.Sub(e.Time).Seconds()
	}
	enqueue(l, m)
}

// Delivered has the delivery figures computed from an environment's entries.
func (r *Reporter) Delivered(entries []ledger.Entry) { r.metrics.Delivered(r.environment, entries) }

// Show sets the gauges of a release.
func (r *Reporter) Show(one Release) { r.metrics.Show(r.environment, one) }

// ShowHealth sets the gauges of how a release does; see Metrics.Health.
func (r *Reporter) ShowHealth(release string, healthy bool, unhealthy time.Time) {
	r.metrics.Health(r.environment, release, healthy, unhealthy)
}

// Deliver tells what the ledger, as it is stored, says is untold. What was told is taken
// out of the ledger, and it reports whether the ledger is to be stored again. Until that is
// done an event's name keeps it from being told twice, by this process or another. What is
// counted does not depend on a right to write events.
func (r *Reporter) Deliver(ctx context.Context, l *ledger.Ledger) (told bool) {
	for len(l.Outbox) > 0 {
		m := l.Outbox[0]
		created, err := r.emit(ctx, m.ID, m.Kind, m.Reason, m.Text)
		r.note(err)
		if err != nil {
			return r.countUntold(l.Outbox) || told
		}
		if created && !m.Counted {
			r.count(m)
		}
		l.Outbox, told = l.Outbox[1:], true
	}
	l.Outbox = nil
	return told
}

// countUntold counts messages whose events can't be written, and reports whether there are any that
// were not counted before.
func (r *Reporter) countUntold(outbox []ledger.Message) (counted bool) {
	for i := range outbox {
		if m := &outbox[i]; !m.Counted {
			r.count(*m)
			m.Counted, counted = true, true
		}
	}
	return counted
}

func (r *Reporter) count(m ledger.Message) {
	if m.Verdict == "" {
		return
	}
	r.metrics.deploys.WithLabelValues(r.environment, string(m.Verdict)).Inc()
	if m.LeadSeconds > 0 {
		r.metrics.leadTime.WithLabelValues(r.environment).Observe(m.LeadSeconds)
	}
}

// Superseded counts commits that a newer one took the place of before anything was done
// about them. Nothing else is told of them.
func (r *Reporter) Superseded(commits int) {
	r.metrics.deploys.WithLabelValues(r.environment, string(ledger.Superseded)).Add(float64(commits))
}

// identity is a short name for a set of facts.
func identity(facts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(facts, "\n")))
	return hex.EncodeToString(sum[:8])
}

// kindOf is what Kubernetes calls an event that people should look at.
func kindOf(v ledger.Verdict) string {
	switch v {
	case ledger.Failed, ledger.RolledBack, ledger.Refused, ledger.Held:
		return "Warning"
	default:
		return "Normal"
	}
}

// reasonOf turns a verdict into an event's reason: one CamelCase word.
func reasonOf(v ledger.Verdict) string {
	var b strings.Builder
	for part := range strings.SplitSeq(string(v), "-") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}
