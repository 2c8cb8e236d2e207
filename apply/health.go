package apply

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// State is how an object does.
type State = health.State

// The states.
const (
	Healthy     = health.Healthy
	Progressing = health.Progressing
	Unhealthy   = health.Unhealthy
	Missing     = health.Missing
	Unknown     = health.Unknown
)

// Health is the state of one object and a sentence on why it is not healthy.
type Health struct {
	manifest.ID
	State  State
	Reason string

	// Rule names what decided, and Field the field that it read.
	Rule, Field string
	// Mends says that what is unhealthy may mend itself: it ends no rollout before its
	// time.
	Mends bool
	// Grace is how long what does not mend itself has to last before it ends a rollout.
	Grace time.Duration
	// Held says that somebody has to act before the object goes on.
	Held bool
	// Again is when the state changes though the object does not; zero is never.
	Again time.Time
}

// HealthOf judges an object by its own status, as package health does, without a
// cluster's rules. It is pure but for the time.
func HealthOf(id manifest.ID, live *unstructured.Unstructured) Health {
	return judgedBy(id, live, health.Options{})
}

// judgedBy is HealthOf with what more is known.
func judgedBy(id manifest.ID, live *unstructured.Unstructured, o health.Options) Health {
	o.Manager, o.Now = ownership.FieldManager, time.Now()
	v := health.Of(live, o)
	return Health{ID: id, State: v.State, Reason: v.Reason, Rule: v.Rule, Field: v.Field,
		Mends: v.State == Unhealthy && !v.Failed, Grace: v.Grace, Held: v.Held, Again: v.Again}
}

// endOf judges a hook by its health: a Pod has to end, and a Job to complete.
func endOf(h Health, live *unstructured.Unstructured) Health {
	switch {
	case h.State != Healthy:
	case h.GroupKind() == plan.PodKind:
		if phase, _, _ := unstructured.NestedString(live.Object, "status", "phase"); phase != "Succeeded" {
			h.State, h.Reason = Progressing, "the Pod has not ended"
		}
	case h.GroupKind() == plan.JobKind && suspended(live) && !completed(live):
		h.State, h.Reason = Progressing, "the Job is suspended, and has not run: it does when somebody, or a queue, resumes it"
	}
	return h
}

func suspended(job *unstructured.Unstructured) bool {
	yes, _, _ := unstructured.NestedBool(job.Object, "spec", "suspend")
	return yes
}

// completed reports whether a Job says of itself that it has.
func completed(job *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(job.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		m, _ := c.(map[string]any)
		kind := m["type"]
		return m["status"] == "True" && (kind == "Complete" || kind == "SuccessCriteriaMet")
	})
}
