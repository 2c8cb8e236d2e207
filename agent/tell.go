package agent

import (
	"context"
	"fmt"
	"strings"

	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/record"
)

// tell says what was taken down.
func (e *environment) tell(ctx context.Context) {
	all, repaired := e.bulletin.take()
	for _, act := range repaired {
		e.ledger.Note(act)
	}
	for _, n := range all {
		e.log.Warn(strings.ToLower(n.reason), "release", n.release, "what", n.text, "doing", "leaving it")
		e.reporter.Say(ctx, "Warning", n.reason, fmt.Sprintf("release %s: %s; it is left as it is", n.release, n.text))
	}
}

// tellDamage says once which records are set aside.
func (e *environment) tellDamage(ctx context.Context, name string, h record.History) {
	for _, r := range h.Damaged() {
		text := fmt.Sprintf("release %s: revision %d can't be read and is set aside: %s", name, r.Revision, r.Damage)
		if key := r.Namespace + " " + text; !e.bulletin.damaged[key] {
			e.bulletin.damaged[key] = true
			e.log.Warn("damaged record", "release", name, "revision", r.Revision, "reason", r.Damage)
			e.reporter.Say(ctx, "Warning", "Damaged", text)
		}
	}
}

// sight tells, once each time, which kinds can't be watched any more and which can
// again.
func (e *environment) sight(ctx context.Context) {
	now := map[string]string{}
	for _, b := range e.Cluster.Live.Blind() {
		key := blindKey(b)
		now[key] = b.Error()
		if _, known := e.bulletin.blind[key]; !known {
			e.log.Error("what runs can't be watched", "kind", b.Kind.String(), "namespace", b.Namespace, "error", b)
			e.reporter.Say(ctx, "Warning", "Blind", b.Error()+"; nothing is known of these objects until then")
		}
	}
	for key := range e.bulletin.blind {
		if _, still := now[key]; !still {
			e.log.Info("what runs is watched again", "what", key)
		}
	}
	e.bulletin.blind = now
	e.agent.metrics.Blind(e.Environment, len(now))
}

func blindKey(b *live.BlindError) string { return b.Kind.String() + " in " + b.Namespace }
