package agent

import (
	"context"

	"github.com/xetys/tether/apply/live"
)

// sight tells, once each time, which kinds can't be watched any more and which can
// again.
func (e *environment) sight(ctx context.Context) {
	now := map[string]string{}
	for _, b := range e.cluster.Blind() {
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
	e.agent.metrics.Blind(e.name, len(now))
}

func blindKey(b *live.BlindError) string { return b.Kind.String() + " in " + b.Namespace }
