package apply

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/render/manifest"
)

func TestHealthOf(t *testing.T) {
	for sentence, c := range map[string]struct {
		object string
		want   State
	}{
		"a Deployment that rolls out is progressing": {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 1}}`, Progressing},
		"a Deployment with all replicas is healthy": {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 1},
  status: {observedGeneration: 2, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: "True"}]}}`, Healthy},
		"a paused Deployment is not waited for":        {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}, spec: {paused: true}}`, Healthy},
		"one that somebody paused is not healthy":      {ownedBy("{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}, spec: {replicas: 1, paused: true}}", "tether: replicas", "kubectl-rollout: paused"), Progressing},
		"one that its chart pauses is":                 {ownedBy("{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}, spec: {replicas: 1, paused: true}}", "tether: paused", "kubectl-rollout: paused"), Healthy},
		"a Job that somebody suspended is not healthy": {ownedBy("{kind: Job, apiVersion: batch/v1, metadata: {name: x}, spec: {suspend: true, backoffLimit: 1}}", "tether: backoffLimit", "kubectl-patch: suspend"), Progressing},
		"a DaemonSet whose pods are replaced on deletion is healthy when they are ready": {`{kind: DaemonSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 2, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 0, numberReady: 3, numberAvailable: 3}}`, Healthy},
		"it is not before its controller has seen it": {`{kind: DaemonSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 1, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3, numberAvailable: 3}}`, Progressing},
		"nor while one is not ready": {`{kind: DaemonSet, apiVersion: apps/v1, metadata: {name: x, generation: 1}, spec: {updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 1, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 2, numberAvailable: 2}}`, Progressing},
		"a StatefulSet whose pods are replaced on deletion waits for them to be ready": {`{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: x, generation: 1}, spec: {replicas: 2, updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 1, replicas: 2, readyReplicas: 1}}`, Progressing},
		"and not for their revision": {`{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 2, updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 2, replicas: 2, readyReplicas: 2, currentReplicas: 2, currentRevision: a, updateRevision: b}}`, Healthy},
		"a partition keeps the pods below it as they are": {`{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}},
  status: {observedGeneration: 2, replicas: 3, readyReplicas: 3, currentReplicas: 2, updatedReplicas: 1, currentRevision: a, updateRevision: b}}`, Healthy},
		"a partition above all pods, too": {`{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 9}}},
  status: {observedGeneration: 2, replicas: 3, readyReplicas: 3, currentReplicas: 3, currentRevision: a, updateRevision: b}}`, Healthy},
		"a Job that runs is progressing":                          {`{kind: Job, apiVersion: batch/v1, metadata: {name: x}, status: {active: 1}}`, Progressing},
		"a Job that completed is healthy":                         {`{kind: Job, apiVersion: batch/v1, metadata: {name: x}, status: {conditions: [{type: Complete, status: "True"}]}}`, Healthy},
		"a Job that failed is unhealthy":                          {`{kind: Job, apiVersion: batch/v1, metadata: {name: x}, status: {conditions: [{type: Failed, status: "True"}]}}`, Unhealthy},
		"a suspended Job is not waited for":                       {`{kind: Job, apiVersion: batch/v1, metadata: {name: x}, spec: {suspend: true}}`, Healthy},
		"a Pod that failed is unhealthy":                          {`{kind: Pod, apiVersion: v1, metadata: {name: x}, status: {phase: Failed}}`, Unhealthy},
		"a claim that waits for its first consumer is no blocker": {`{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: x}, status: {phase: Pending}}`, Healthy},
		"a claim whose volume is lost is unhealthy":               {`{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: x}, status: {phase: Lost}}`, Unhealthy},
		"a LoadBalancer without an address is progressing":        {`{kind: Service, apiVersion: v1, metadata: {name: x}, spec: {type: LoadBalancer}}`, Progressing},
		"a ClusterIP Service is healthy":                          {`{kind: Service, apiVersion: v1, metadata: {name: x}, spec: {type: ClusterIP}}`, Healthy},
		"an autoscaler without metrics is no blocker":             {`{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, metadata: {name: x}, status: {conditions: [{type: ScalingActive, status: "False"}]}}`, Healthy},
		"what is being deleted is progressing":                    {`{kind: ConfigMap, apiVersion: v1, metadata: {name: x, deletionTimestamp: "2026-01-01T00:00:00Z"}}`, Progressing},
		"a ConfigMap is healthy":                                  {`{kind: ConfigMap, apiVersion: v1, metadata: {name: x}}`, Healthy},
	} {
		t.Run(sentence, func(t *testing.T) {
			o := objectsOf(t, c.object)[0]
			if h := HealthOf(o.ID(), o.Unstructured); h.State != c.want || h.State != Healthy && h.Reason == "" {
				t.Errorf("%s (%s), want %s", h.State, h.Reason, c.want)
			}
		})
	}
	if h := HealthOf(objectsOf(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: x}}")[0].ID(), nil); h.State != Missing {
		t.Errorf("what does not exist is %s", h.State)
	}
}

// ownedBy adds to an object's text who owns which field of its spec, each given as
// manager: field.
func ownedBy(object string, owners ...string) string {
	var entries []string
	for _, o := range owners {
		manager, field, _ := strings.Cut(o, ": ")
		entries = append(entries, fmt.Sprintf(`{manager: %s, operation: Apply, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:%s": {}}}}`, manager, field))
	}
	return strings.Replace(object, "{name: x", "{name: x, managedFields: ["+strings.Join(entries, ", ")+"]", 1)
}

func TestPodsSayWhyTheyAreNotReady(t *testing.T) {
	status := func(state corev1.ContainerState) corev1.PodStatus {
		return corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "api", Image: "example.com/api:2", RestartCount: 3, State: state,
			LastTerminationState: corev1.ContainerState{}}}}
	}
	waiting := func(reason, message string) corev1.PodStatus {
		return status(corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}})
	}
	crash := waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container")
	crash.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 137}
	for sentence, c := range map[string]struct {
		status corev1.PodStatus
		want   string
		final  bool
	}{
		"an image that can't be pulled": {waiting("ImagePullBackOff", "Back-off"), "pod p: container api: ImagePullBackOff of image example.com/api:2", true},
		"a crash loop":                  {crash, "pod p: container api: CrashLoopBackOff (exit code 137, 3 restarts)", true},
		"a Secret that is missing":      {waiting("CreateContainerConfigError", `secret "x" not found`), `pod p: container api: CreateContainerConfigError: secret "x" not found`, true},
		"a pod that fits nowhere": {corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
			Reason: corev1.PodReasonUnschedulable, Message: "0/5 nodes are available"}}}, "pod p can't be scheduled: 0/5 nodes are available", false},
		"a probe that fails":        {status(corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}), "pod p runs, but container api is not ready", false},
		"a container that is being": {waiting("ContainerCreating", ""), "", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			have, final := "", false
			if all := troublesOf(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: c.status}); len(all) > 0 {
				have, final = all[0].reason(), graceOf(manifest.Graces{}, all[0].kind) > 0
			}
			if have != c.want || final != c.final {
				t.Errorf("%q (final: %v), want %q (%v)", have, final, c.want, c.final)
			}
		})
	}
}

// objectsOf reads objects as they would be rendered.
func objectsOf(t *testing.T, text string) []manifest.Object {
	t.Helper()
	out, err := manifest.Parse(text, "prod", nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
