package verdict

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/record"
)

// message is told once: to the log, and by an event.
type message struct{ reason, release, text string }

// Messages are what is to be told at the end of a pass, and what was told and is not to be told
// again. Found is safe for concurrent use; all else is for the loop alone.
type Messages struct {
	Log      *slog.Logger
	Reporter *report.Reporter

	mu       sync.Mutex
	waiting  []message
	repaired []ledger.Act // corrections of drift, for the ledger

	damaged     map[string]bool // records that were reported as damaged
	unwatchable map[string]bool // kinds that were reported as not to be watched
}

// clear has damaged records reported again.
func (m *Messages) clear() { m.damaged = map[string]bool{} }

// Repaired enters corrections of drift.
func (m *Messages) Repaired(acts []ledger.Act) { m.repaired = append(m.repaired, acts...) }

// DriftFound enters drift that a survey found and that stays in the cluster, if it was not there
// before: drift that is only reported, and fields that people's tools added. Each object is told
// once, however many of its fields differ.
func (m *Messages) DriftFound(r *assess.Release, before, now *observed.Baseline) {
	var known []ledger.Drift
	if before != nil {
		known = slices.Concat(before.Drift, before.Foreign)
	}
	seen := make(map[ledger.Drift]bool, len(known))
	for _, d := range known {
		seen[d] = true
	}
	var order []message
	fields := map[message][]string{}
	for _, d := range slices.Concat(now.Drift, now.Foreign) {
		if seen[d] || !d.Foreign && r.State.Corrects() {
			continue
		}
		n, text := message{"Drift", r.Spec.Name, d.Object}, fmt.Sprintf("%s is %s, not %s", d.Path, d.Have, d.Want)
		if d.Foreign {
			n.reason, text = "Foreign", fmt.Sprintf("%s is %s, which is not of the chart", d.Path, d.Have)
		}
		if d.Manager != "" {
			text += ", by " + d.Manager
		}
		if fields[n] == nil {
			order = append(order, n)
		}
		fields[n] = append(fields[n], text)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range order {
		m.waiting = append(m.waiting, message{n.reason, n.release, n.text + ": " + ledger.JoinFirst(fields[n])})
	}
}

// Announce tells what was found, once, and enters the corrections of drift into the ledger.
func (m *Messages) Announce(ctx context.Context, l *ledger.Ledger) {
	m.mu.Lock()
	waiting := m.waiting
	m.waiting = nil
	m.mu.Unlock()
	for _, act := range m.repaired {
		l.AddAct(act)
	}
	m.repaired = nil
	for _, n := range waiting {
		m.Log.Warn(strings.ToLower(n.reason), "release", n.release, "what", n.text, "doing", "leaving it")
		m.Reporter.Event(ctx, "Warning", n.reason, fmt.Sprintf("release %s: %s; it is left as it is", n.release, n.text))
	}
}

// Damaged reports once which records of a release are set aside.
func (m *Messages) Damaged(ctx context.Context, release string, h record.History) {
	for _, r := range h.Damaged() {
		text := fmt.Sprintf("release %s: revision %d can't be read and is set aside: %s", release, r.Revision, r.Damage)
		if key := r.Namespace + " " + text; !m.damaged[key] {
			m.damaged[key] = true
			m.Log.Warn("damaged record", "release", release, "revision", r.Revision, "reason", r.Damage)
			m.Reporter.Event(ctx, "Warning", "Damaged", text)
		}
	}
}

// Unwatchable reports, once each time, which kinds can't be watched any more and which can
// again.
func (m *Messages) Unwatchable(ctx context.Context, kinds []*live.UnwatchableError) {
	now := map[string]bool{}
	for _, b := range kinds {
		key := b.Kind.String() + " in " + b.Namespace
		now[key] = true
		if !m.unwatchable[key] {
			m.Log.Error("what runs can't be watched", "kind", b.Kind.String(), "namespace", b.Namespace, "error", b)
			m.Reporter.Event(ctx, "Warning", "Blind", b.Error()+"; nothing is known of these objects until then")
		}
	}
	for key := range m.unwatchable {
		if !now[key] {
			m.Log.Info("what runs is watched again", "what", key)
		}
	}
	m.unwatchable = now
}
