package health

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Settle is how long a controller that does not say which generation it has seen may
// take to look at what was applied: until then its old word counts for nothing.
const StatusGrace = 5 * time.Second

// doubtStale doubts a good word that is older than what was applied.
func doubtStale(v Verdict, live *unstructured.Unstructured, o Options) Verdict {
	status, _ := live.Object["status"].(map[string]any)
	if o.Now.IsZero() || o.Manager == "" || len(status) == 0 || saysGeneration(status) {
		return v
	}
	applied, spoke := lastWritten(live, o.Manager)
	if applied.IsZero() || spoke.IsZero() || spoke.After(applied) || !o.Now.Before(applied.Add(StatusGrace)) {
		return v
	}
	return Verdict{State: Progressing, Rule: "settling", Field: "status", Again: applied.Add(StatusGrace),
		Reason: "it was changed just now, and its controller has not said anything since"}
}

// saysGeneration reports whether a status says of which generation it is.
func saysGeneration(status map[string]any) bool {
	if _, ok := generationOf(status["observedGeneration"]); ok {
		return true
	}
	for _, c := range conditionsIn(status["conditions"]) {
		if c.generated {
			return true
		}
	}
	return false
}

// lastWritten is when the manager applied the object last, and when anybody wrote its
// status.
func lastWritten(live *unstructured.Unstructured, manager string) (applied, spoke time.Time) {
	metadata, _ := live.Object["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any)
	for _, e := range entries {
		m, _ := e.(map[string]any)
		at, err := time.Parse(time.RFC3339, text(m["time"]))
		switch {
		case err != nil:
		case m["subresource"] == "status" && at.After(spoke):
			spoke = at
		case m["manager"] == manager && m["operation"] == "Apply" && m["subresource"] != "status":
			applied = at
		}
	}
	return applied, spoke
}
