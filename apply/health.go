package apply

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/manifest"
)

// State is how an object does.
type State string

// The states.
const (
	Healthy     State = "healthy"
	Progressing State = "progressing"
	Unhealthy   State = "unhealthy" // it failed, and will not mend itself
	Missing     State = "missing"
	Unknown     State = "unknown" // it can't be watched
)

// Health is the state of one object and a sentence on why it is not healthy.
type Health struct {
	manifest.ID
	State  State
	Reason string
}

// HealthOf judges an object by its own status: kstatus
// (sigs.k8s.io/cli-utils/pkg/kstatus), mended where it calls something ready too
// early or never. It is pure and knows nothing of the object's pods.
func HealthOf(id manifest.ID, live *unstructured.Unstructured) Health {
	h := Health{ID: id}
	switch {
	case live == nil:
		h.State, h.Reason = Missing, "it does not exist"
	case live.GetDeletionTimestamp() != nil:
		h.State, h.Reason = Progressing, "it is being deleted"
	default:
		if own, ok := ownRules[id.GroupKind()]; ok {
			h.State, h.Reason = own(live)
		} else {
			h.State, h.Reason = byStatus(live)
		}
	}
	return h
}

// ownRules are for the kinds that kstatus misjudges.
var ownRules = map[schema.GroupKind]func(*unstructured.Unstructured) (State, string){
	{Group: "batch", Kind: "Job"}:                           jobState,
	{Kind: "PersistentVolumeClaim"}:                         claimState,
	{Kind: "Pod"}:                                           podState,
	{Kind: "Service"}:                                       serviceState,
	{Group: "apps", Kind: "Deployment"}:                     deploymentState,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}: always,
	{Group: "policy", Kind: "PodDisruptionBudget"}:          always,
}

// always is for kinds whose state follows from others' and says nothing about
// whether the release works: an autoscaler without metrics leaves the replicas
// alone, a budget is met by its pods.
func always(*unstructured.Unstructured) (State, string) { return Healthy, "" }

func byStatus(live *unstructured.Unstructured) (State, string) {
	r, err := status.Compute(live)
	if err != nil {
		return Progressing, fmt.Sprintf("its status can't be read: %v", err)
	}
	switch r.Status {
	case status.CurrentStatus:
		return Healthy, ""
	case status.FailedStatus:
		return Unhealthy, r.Message
	default:
		return Progressing, r.Message
	}
}

// jobState waits for a Job's end: kstatus is content when it has started.
func jobState(live *unstructured.Unstructured) (State, string) {
	if suspended, _, _ := unstructured.NestedBool(live.Object, "spec", "suspend"); suspended {
		return Healthy, ""
	}
	switch {
	case condition(live, "Complete") == "True", condition(live, "SuccessCriteriaMet") == "True":
		return Healthy, ""
	case condition(live, "Failed") == "True":
		return Unhealthy, "the Job failed: " + conditionMessage(live, "Failed")
	}
	return Progressing, "the Job has not ended"
}

// claimState never waits for a claim by itself: with WaitForFirstConsumer it
// binds when a pod uses it, and a pod that can't have its volume says so.
func claimState(live *unstructured.Unstructured) (State, string) {
	if phase, _, _ := unstructured.NestedString(live.Object, "status", "phase"); phase == "Lost" {
		return Unhealthy, "its volume is lost"
	}
	return Healthy, ""
}

func podState(live *unstructured.Unstructured) (State, string) {
	phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
	switch phase {
	case "Failed":
		return Unhealthy, "the Pod failed"
	case "Succeeded":
		return Healthy, ""
	}
	return byStatus(live)
}

// endOf judges a hook: a Pod has to end, and a Job to complete.
func endOf(id manifest.ID, live *unstructured.Unstructured) Health {
	h := HealthOf(id, live)
	if id.GroupKind() == podKind && h.State == Healthy {
		if phase, _, _ := unstructured.NestedString(live.Object, "status", "phase"); phase != "Succeeded" {
			h.State, h.Reason = Progressing, "the Pod has not ended"
		}
	}
	return h
}

var (
	podKind = schema.GroupKind{Kind: "Pod"}
	jobKind = schema.GroupKind{Group: "batch", Kind: "Job"}
)

// serviceState waits for a LoadBalancer's address, which kstatus does not.
func serviceState(live *unstructured.Unstructured) (State, string) {
	if kind, _, _ := unstructured.NestedString(live.Object, "spec", "type"); kind != "LoadBalancer" {
		return Healthy, ""
	}
	if in, _, _ := unstructured.NestedSlice(live.Object, "status", "loadBalancer", "ingress"); len(in) == 0 {
		return Progressing, "the load balancer has no address yet"
	}
	return Healthy, ""
}

// deploymentState takes a paused Deployment for what it is: kstatus would wait
// for it for ever.
func deploymentState(live *unstructured.Unstructured) (State, string) {
	if paused, _, _ := unstructured.NestedBool(live.Object, "spec", "paused"); paused {
		return Healthy, ""
	}
	return byStatus(live)
}

func condition(u *unstructured.Unstructured, kind string) string {
	s, _ := findCondition(u, kind)["status"].(string)
	return s
}

func conditionMessage(u *unstructured.Unstructured, kind string) string {
	m, _ := findCondition(u, kind)["message"].(string)
	return m
}

func findCondition(u *unstructured.Unstructured, kind string) map[string]any {
	list, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range list {
		if m, ok := c.(map[string]any); ok && m["type"] == kind {
			return m
		}
	}
	return nil
}
