package judge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/render/manifest"
)

func TestHealthOfObjects(t *testing.T) {
	for sentence, c := range map[string]struct {
		object string
		want   health.State
	}{
		"a Deployment that rolls out is progressing": {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 1}}`, health.Progressing},
		"a Deployment with all replicas is healthy": {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 1},
  status: {observedGeneration: 2, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: "True"}]}}`, health.Healthy},
		"a paused Deployment is not waited for":        {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}, spec: {paused: true}}`, health.Healthy},
		"one that somebody paused is not healthy":      {ownedBy("{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}, spec: {replicas: 1, paused: true}}", "tether: replicas", "kubectl-rollout: paused"), health.Progressing},
		"one that its chart pauses is":                 {ownedBy("{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}, spec: {replicas: 1, paused: true}}", "tether: paused", "kubectl-rollout: paused"), health.Healthy},
		"a Job that somebody suspended is not healthy": {ownedBy("{kind: Job, apiVersion: batch/v1, metadata: {name: x}, spec: {suspend: true, backoffLimit: 1}}", "tether: backoffLimit", "kubectl-patch: suspend"), health.Progressing},
		"a DaemonSet whose pods are replaced on deletion is healthy when they are ready": {`{kind: DaemonSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 2, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 0, numberReady: 3, numberAvailable: 3}}`, health.Healthy},
		"it is not before its controller has seen it": {`{kind: DaemonSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 1, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 3, numberAvailable: 3}}`, health.Progressing},
		"nor while one is not ready": {`{kind: DaemonSet, apiVersion: apps/v1, metadata: {name: x, generation: 1}, spec: {updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 1, desiredNumberScheduled: 3, currentNumberScheduled: 3, updatedNumberScheduled: 3, numberReady: 2, numberAvailable: 2}}`, health.Progressing},
		"a StatefulSet whose pods are replaced on deletion waits for them to be ready": {`{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: x, generation: 1}, spec: {replicas: 2, updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 1, replicas: 2, readyReplicas: 1}}`, health.Progressing},
		"and not for their revision": {`{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 2, updateStrategy: {type: OnDelete}},
  status: {observedGeneration: 2, replicas: 2, readyReplicas: 2, currentReplicas: 2, currentRevision: a, updateRevision: b}}`, health.Healthy},
		"a partition keeps the pods below it as they are": {`{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}},
  status: {observedGeneration: 2, replicas: 3, readyReplicas: 3, currentReplicas: 2, updatedReplicas: 1, currentRevision: a, updateRevision: b}}`, health.Healthy},
		"a partition above all pods, too": {`{kind: StatefulSet, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 3, updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 9}}},
  status: {observedGeneration: 2, replicas: 3, readyReplicas: 3, currentReplicas: 3, currentRevision: a, updateRevision: b}}`, health.Healthy},
		"a Job that runs is progressing":                          {`{kind: Job, apiVersion: batch/v1, metadata: {name: x}, status: {active: 1}}`, health.Progressing},
		"a Job that completed is healthy":                         {`{kind: Job, apiVersion: batch/v1, metadata: {name: x}, status: {conditions: [{type: Complete, status: "True"}]}}`, health.Healthy},
		"a Job that failed is unhealthy":                          {`{kind: Job, apiVersion: batch/v1, metadata: {name: x}, status: {conditions: [{type: Failed, status: "True"}]}}`, health.Unhealthy},
		"a suspended Job is not waited for":                       {`{kind: Job, apiVersion: batch/v1, metadata: {name: x}, spec: {suspend: true}}`, health.Healthy},
		"a Pod that failed is unhealthy":                          {`{kind: Pod, apiVersion: v1, metadata: {name: x}, status: {phase: Failed}}`, health.Unhealthy},
		"a claim that waits for its first consumer is no blocker": {`{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: x}, status: {phase: Pending}}`, health.Healthy},
		"a claim whose volume is lost is unhealthy":               {`{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: x}, status: {phase: Lost}}`, health.Unhealthy},
		"a LoadBalancer without an address is progressing":        {`{kind: Service, apiVersion: v1, metadata: {name: x}, spec: {type: LoadBalancer}}`, health.Progressing},
		"a ClusterIP Service is healthy":                          {`{kind: Service, apiVersion: v1, metadata: {name: x}, spec: {type: ClusterIP}}`, health.Healthy},
		"an autoscaler without metrics is no blocker":             {`{kind: HorizontalPodAutoscaler, apiVersion: autoscaling/v2, metadata: {name: x}, status: {conditions: [{type: ScalingActive, status: "False"}]}}`, health.Healthy},
		"what is being deleted is progressing":                    {`{kind: ConfigMap, apiVersion: v1, metadata: {name: x, deletionTimestamp: "2026-01-01T00:00:00Z"}}`, health.Progressing},
		"a ConfigMap is healthy":                                  {`{kind: ConfigMap, apiVersion: v1, metadata: {name: x}}`, health.Healthy},
	} {
		t.Run(sentence, func(t *testing.T) {
			o := objectsOf(t, c.object)[0]
			if h := Of(o.ID(), o.Unstructured); h.State != c.want || h.State != health.Healthy && h.Reason == "" {
				t.Errorf("%s (%s), want %s", h.State, h.Reason, c.want)
			}
		})
	}
	if h := Of(objectsOf(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: x}}")[0].ID(), nil); h.State != health.Missing {
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

// objectsOf reads objects as they would be rendered.
func objectsOf(t *testing.T, text string) []manifest.Object {
	t.Helper()
	out, err := manifest.Parse(text, "prod", nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
