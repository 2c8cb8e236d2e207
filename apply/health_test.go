package apply

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestHealthOf(t *testing.T) {
	for sentence, c := range map[string]struct {
		object string
		want   State
	}{
		"a Deployment that rolls out is progressing": {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 2}, status: {observedGeneration: 1}}`, Progressing},
		"a Deployment with all replicas is healthy": {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x, generation: 2}, spec: {replicas: 1},
  status: {observedGeneration: 2, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [{type: Available, status: "True"}]}}`, Healthy},
		"a paused Deployment is not waited for":                   {`{kind: Deployment, apiVersion: apps/v1, metadata: {name: x}, spec: {paused: true}}`, Healthy},
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
			o := parse(t, c.object)[0]
			if h := HealthOf(o.ID(), o.Unstructured); h.State != c.want || h.State != Healthy && h.Reason == "" {
				t.Errorf("%s (%s), want %s", h.State, h.Reason, c.want)
			}
		})
	}
	if h := HealthOf(parse(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: x}}")[0].ID(), nil); h.State != Missing {
		t.Errorf("what does not exist is %s", h.State)
	}
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
			if tr := podTrouble(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Status: c.status}); tr != nil {
				have, final = tr.reason, tr.grace > 0
			}
			if have != c.want || final != c.final {
				t.Errorf("%q (final: %v), want %q (%v)", have, final, c.want, c.final)
			}
		})
	}
}
