package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ownKinds are Kubernetes' own kinds that say something of themselves.
var ownKinds = map[schema.GroupKind]func(*unstructured.Unstructured, Options) Verdict{
	gk("apps", "Deployment"):                                         deployment,
	gk("apps", "StatefulSet"):                                        statefulSet,
	gk("apps", "DaemonSet"):                                          daemonSet,
	gk("apps", "ReplicaSet"):                                         byStatus,
	gk("", "ReplicationController"):                                  byStatus,
	gk("", "Pod"):                                                    pod,
	gk("", "Service"):                                                service,
	gk("", "PersistentVolumeClaim"):                                  claim,
	gk("", "PersistentVolume"):                                       volume,
	gk("", "Namespace"):                                              namespace,
	gk("", "Node"):                                                   always,
	gk("", "ResourceQuota"):                                          quota,
	gk("batch", "Job"):                                               job,
	gk("batch", "CronJob"):                                           always,
	gk("autoscaling", "HorizontalPodAutoscaler"):                     always,
	gk("policy", "PodDisruptionBudget"):                              always,
	gk("networking.k8s.io", "Ingress"):                               always,
	gk("extensions", "Ingress"):                                      always,
	gk("apiregistration.k8s.io", "APIService"):                       apiService,
	gk("apiextensions.k8s.io", "CustomResourceDefinition"):           definition,
	gk("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"):  always,
	gk("flowcontrol.apiserver.k8s.io", "FlowSchema"):                 always,
	gk("resource.k8s.io", "ResourceClaim"):                           always,
	gk("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): always,
}

// always is for kinds whose state follows from others' and says nothing about
// whether the release works: an autoscaler without metrics leaves the replicas
// alone, a budget is met by its pods, an Ingress of many classes never has an address.
func always(*unstructured.Unstructured, Options) Verdict { return Verdict{State: Healthy} }

// quota is in progress while its controller holds to former limits. One that no controller has
// counted yet keeps nobody.
func quota(live *unstructured.Unstructured, _ Options) Verdict {
	want, _, _ := unstructured.NestedMap(live.Object, "spec", "hard")
	now, _, _ := unstructured.NestedMap(live.Object, "status", "hard")
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if len(now) > 0 && fmt.Sprint(now[k]) != fmt.Sprint(want[k]) {
			return Verdict{State: Progressing, Field: "status.hard", Reason: fmt.Sprintf("its limit of %s is not in force yet", k)}
		}
	}
	return Verdict{State: Healthy, Field: "status.hard"}
}

func namespace(live *unstructured.Unstructured, _ Options) Verdict {
	if name(live, "status", "phase") == "Terminating" {
		return Verdict{State: Progressing, Field: "status.phase", Reason: "it is being deleted"}
	}
	return Verdict{State: Healthy, Field: "status.phase"}
}

// byStatus is kstatus' answer (sigs.k8s.io/cli-utils/pkg/kstatus).
func byStatus(live *unstructured.Unstructured, _ Options) Verdict {
	r, err := status.Compute(counted(live))
	if err != nil {
		return Verdict{State: Progressing, Field: "status", Reason: fmt.Sprintf("its status can't be read: %v", err)}
	}
	v := Verdict{State: Progressing, Field: "status", Reason: r.Message}
	switch r.Status {
	case status.CurrentStatus:
		v.State, v.Reason = Healthy, ""
	case status.FailedStatus:
		v.State, v.Failed = Unhealthy, true
	}
	return refusedPods(live, v)
}

// refusedPods says why no pods are made: a quota or an admission refuses them, which may
// change.
func refusedPods(live *unstructured.Unstructured, v Verdict) Verdict {
	inner, _ := live.Object["status"].(map[string]any)
	for _, c := range conditionsIn(inner["conditions"]) {
		if v.State == Progressing && c.kind == "ReplicaFailure" && c.status == "True" {
			v.State, v.Field, v.Reason = Unhealthy, "status.conditions[ReplicaFailure]", c.sentence()
		}
	}
	return v
}

// deployment is held when somebody else than its chart paused it: then it does not do
// what its chart asks for. kstatus would wait for one that its chart pauses for ever.
func deployment(live *unstructured.Unstructured, o Options) Verdict {
	if paused, _, _ := unstructured.NestedBool(live.Object, "spec", "paused"); paused {
		return holds(live, o, "paused", "nothing new runs until kubectl rollout resume deployment/"+live.GetName())
	}
	return byStatus(live, o)
}

// count is a number of a status or spec; it is none if it is not there.
func count(live *unstructured.Unstructured, none int64, at ...string) int64 {
	v, _, _ := unstructured.NestedFieldNoCopy(live.Object, at...)
	if n, ok := generationOf(v); ok {
		return n
	}
	return none
}

func name(live *unstructured.Unstructured, at ...string) string {
	s, _, _ := unstructured.NestedString(live.Object, at...)
	return s
}

// statefulSet is healthy by what its strategy promises: OnDelete replaces no pod, and
// a partition only those above it.
func statefulSet(live *unstructured.Unstructured, o Options) Verdict {
	if v, stale := observedByOwn(live); stale {
		return v
	}
	live = counted(live)
	want, ready := count(live, 1, "spec", "replicas"), count(live, 0, "status", "readyReplicas")
	if ready < want {
		return Verdict{State: Progressing, Field: "status.readyReplicas", Reason: fmt.Sprintf("Ready: %d/%d", ready, want)}
	}
	if name(live, "spec", "updateStrategy", "type") == "OnDelete" {
		if have := count(live, 0, "status", "replicas"); have > want {
			return Verdict{State: Progressing, Field: "status.replicas", Reason: fmt.Sprintf("Pending termination: %d", have-want)}
		}
		return Verdict{State: Healthy, Field: "spec.updateStrategy"}
	}
	current, update := name(live, "status", "currentRevision"), name(live, "status", "updateRevision")
	if partition := count(live, 0, "spec", "updateStrategy", "rollingUpdate", "partition"); partition > 0 {
		due, updated := max(want-partition, 0), count(live, 0, "status", "updatedReplicas")
		if updated < due && current != update {
			return Verdict{State: Progressing, Field: "status.updatedReplicas", Reason: fmt.Sprintf("%d of %d pods above the partition are updated", updated, due)}
		}
		return Verdict{State: Healthy, Field: "spec.updateStrategy.rollingUpdate.partition"}
	}
	return byStatus(live, o)
}

// observedByOwn wants a generation to have been observed at all: Kubernetes' own
// controllers always say which.
func observedByOwn(live *unstructured.Unstructured) (Verdict, bool) {
	if seen := count(live, 0, "status", "observedGeneration"); seen < generation(live) {
		return Verdict{State: Progressing, Rule: "observed generation", Field: "status.observedGeneration",
			Reason: stale(live, seen)}, true
	}
	return Verdict{}, false
}

func daemonSet(live *unstructured.Unstructured, o Options) Verdict {
	if name(live, "spec", "updateStrategy", "type") != "OnDelete" {
		return byStatus(live, o)
	}
	if v, stale := observedByOwn(live); stale {
		return v
	}
	want, ready := count(live, -1, "status", "desiredNumberScheduled"), count(live, 0, "status", "numberReady")
	switch {
	case want < 0:
		return Verdict{State: Progressing, Field: "status.desiredNumberScheduled", Reason: "its controller has not seen its newest spec yet"}
	case ready < want:
		return Verdict{State: Progressing, Field: "status.numberReady", Reason: fmt.Sprintf("Ready: %d/%d", ready, want)}
	}
	return Verdict{State: Healthy, Field: "spec.updateStrategy"}
}

// pod tells a pod that is to run from one that is to end by its restart policy.
func pod(live *unstructured.Unstructured, o Options) Verdict {
	switch name(live, "status", "phase") {
	case "Failed":
		return Verdict{State: Unhealthy, Failed: true, Field: "status.phase", Reason: "the Pod failed" + conditionMessages(live)}
	case "Succeeded":
		return Verdict{State: Healthy, Field: "status.phase"}
	}
	for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
		if v, stuck := stuckContainer(live, list); stuck {
			return v
		}
	}
	if policy := name(live, "spec", "restartPolicy"); policy == "Never" || policy == "OnFailure" {
		return Verdict{State: Progressing, Field: "spec.restartPolicy", Reason: "the Pod has not ended"}
	}
	return byStatus(live, o)
}

// stuckContainer finds a container that can't start, or ends again and again.
func stuckContainer(live *unstructured.Unstructured, list string) (Verdict, bool) {
	all, _, _ := unstructured.NestedSlice(live.Object, "status", list)
	for i, e := range all {
		m, _ := e.(map[string]any)
		reason, _, _ := unstructured.NestedString(m, "state", "waiting", "reason")
		if strings.HasPrefix(reason, "Err") || strings.HasSuffix(reason, "Error") || strings.HasSuffix(reason, "BackOff") {
			message, _, _ := unstructured.NestedString(m, "state", "waiting", "message")
			return Verdict{State: Unhealthy, Field: fmt.Sprintf("status.%s[%d].state", list, i), Reason: fmt.Sprintf("container %v: %s", m["name"], joinedBy(": ", reason, message))}, true
		}
	}
	return Verdict{}, false
}

func conditionMessages(live *unstructured.Unstructured) string {
	if m := name(live, "status", "message"); m != "" {
		return ": " + m
	}
	return ""
}

func joinedBy(by, a, b string) string {
	if b == "" {
		return a
	}
	return a + by + b
}

// job waits for a Job's end, as Helm does: kstatus is content when it has started.
func job(live *unstructured.Unstructured, o Options) Verdict {
	status, _ := live.Object["status"].(map[string]any)
	met := Verdict{State: Progressing, Field: "status.conditions", Reason: "the Job has not ended"}
	for _, c := range conditionsIn(status["conditions"]) {
		switch {
		case c.status != "True":
		case c.kind == "Complete":
			return Verdict{State: Healthy, Field: "status.conditions[Complete]"}
		case c.kind == "SuccessCriteriaMet": // its pods end, and are counted, before it is complete (KEP-3998)
			met.Field, met.Reason = "status.conditions[SuccessCriteriaMet]", "the Job has succeeded, and its last pods are ending"
		case c.kind == "Failed":
			return Verdict{State: Unhealthy, Failed: true, Field: "status.conditions[Failed]", Reason: "the Job failed: " + c.message}
		}
	}
	if suspended, _, _ := unstructured.NestedBool(live.Object, "spec", "suspend"); suspended {
		return holds(live, o, "suspend", "it runs when somebody, or a queue, resumes it")
	}
	return met
}

// claim never waits for a claim by itself: with WaitForFirstConsumer it binds when a
// pod uses it, and a pod that can't have its volume says so.
func claim(live *unstructured.Unstructured, _ Options) Verdict {
	if name(live, "status", "phase") == "Lost" {
		return Verdict{State: Unhealthy, Failed: true, Field: "status.phase", Reason: "its volume is lost"}
	}
	return Verdict{State: Healthy, Field: "status.phase"}
}

func volume(live *unstructured.Unstructured, _ Options) Verdict {
	if name(live, "status", "phase") == "Failed" {
		return Verdict{State: Unhealthy, Field: "status.phase", Reason: "the volume failed" + conditionMessages(live)}
	}
	return Verdict{State: Healthy, Field: "status.phase"}
}

// service waits for a LoadBalancer's address, which kstatus does not.
func service(live *unstructured.Unstructured, _ Options) Verdict {
	if name(live, "spec", "type") != "LoadBalancer" {
		return Verdict{State: Healthy}
	}
	if in, _, _ := unstructured.NestedSlice(live.Object, "status", "loadBalancer", "ingress"); len(in) == 0 {
		return Verdict{State: Progressing, Field: "status.loadBalancer.ingress", Reason: "the load balancer has no address yet"}
	}
	return Verdict{State: Healthy, Field: "status.loadBalancer.ingress"}
}

func apiService(live *unstructured.Unstructured, _ Options) Verdict {
	status, _ := live.Object["status"].(map[string]any)
	v := Verdict{State: Progressing, Field: "status.conditions[Available]", Reason: "nobody has looked whether the API answers"}
	for _, c := range conditionsIn(status["conditions"]) {
		if c.kind == "Available" {
			v.Reason = c.sentence()
			if c.status == "True" {
				v.State, v.Reason = Healthy, ""
			}
		}
	}
	return v
}

// definition fails on names that another definition has: they stay taken.
func definition(live *unstructured.Unstructured, _ Options) Verdict {
	status, _ := live.Object["status"].(map[string]any)
	v := Verdict{State: Progressing, Field: "status.conditions[Established]", Reason: "the API server has not established it yet"}
	for _, c := range conditionsIn(status["conditions"]) {
		at := "status.conditions[" + c.kind + "]"
		switch {
		case c.kind == "NamesAccepted" && c.status == "False":
			return Verdict{State: Unhealthy, Failed: true, Field: at, Reason: c.sentence()}
		case c.kind == "Terminating" && c.status == "True":
			return Verdict{State: Progressing, Field: at, Reason: c.sentence()}
		case c.kind == "Established" && c.status == "True":
			v.State, v.Reason = Healthy, ""
		case c.kind == "Established" && c.reason != "":
			v.Reason = c.sentence()
		}
	}
	return v
}
