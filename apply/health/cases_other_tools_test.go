package health

// otherToolsCases are what the cases of other tools' checks (kstatus, Karmada, is-healthy, Crossplane's
// function-auto-ready) showed to be missing in the tables.
var otherToolsCases = []own{
	{"apps.kruise.io/v1alpha1", "CloneSet", []a{
		{"all are updated, says a controller that does not count those that are available too", `metadata: {generation: 1}, spec: {replicas: 2}, status: {observedGeneration: 1, replicas: 2, updatedReplicas: 2, availableReplicas: 2}`, "healthy"},
		{"one is not updated, says such a controller", `metadata: {generation: 1}, spec: {replicas: 2}, status: {observedGeneration: 1, replicas: 2, updatedReplicas: 1, availableReplicas: 2}`, "progressing"},
	}},
	{"apps.kruise.io/v1beta1", "StatefulSet", []a{
		{"all are updated and available", `metadata: {generation: 1}, spec: {replicas: 3}, status: {observedGeneration: 1, updatedReplicas: 3, availableReplicas: 3}`, "healthy"},
		{"one is not there", `metadata: {generation: 1}, spec: {replicas: 3}, status: {observedGeneration: 1, updatedReplicas: 2, availableReplicas: 2, replicas: 2}`, "progressing"},
	}},
	{"apps.kruise.io/v1alpha1", "DaemonSet", []a{
		{"it has no node", `metadata: {generation: 1}, status: {observedGeneration: 1, desiredNumberScheduled: 0, updatedNumberScheduled: 0, numberAvailable: 0}`, "healthy"},
		{"nobody has counted its nodes", `metadata: {generation: 1}, status: {observedGeneration: 1}`, "progressing"},
	}},
	{"apps.kruise.io/v1alpha1", "SidecarSet", []a{
		{"all pods have it", `metadata: {generation: 1}, status: {observedGeneration: 1, matchedPods: 3, updatedPods: 3, readyPods: 3}`, "healthy"},
		{"no pod is to have it", `status: {matchedPods: 0, updatedPods: 0, readyPods: 0}`, "healthy"},
		{"one pod has the former one", `status: {matchedPods: 3, updatedPods: 2, readyPods: 3}`, "progressing"},
		{"one pod is not ready", `status: {matchedPods: 3, updatedPods: 3, readyPods: 2}`, "progressing"},
		{"somebody paused it", `spec: {updateStrategy: {paused: true}}, status: {matchedPods: 3, updatedPods: 2, readyPods: 3}`, "held"},
		{"nobody has looked at it", ``, "progressing"},
	}},
	{"apps.kruise.io/v1alpha1", "ImagePullJob", []a{
		{"it pulls", `status: {desired: 3, active: 1, succeeded: 2, failed: 0}`, "progressing"},
		{"it is done", `status: {desired: 3, succeeded: 3, failed: 0, completionTime: "2026-01-01T00:00:00Z"}`, "healthy"},
		{"a node could not", `status: {desired: 3, succeeded: 2, failed: 1, completionTime: "2026-01-01T00:00:00Z"}`, "unhealthy"},
	}},
	{"flink.apache.org/v1beta1", "FlinkDeployment", []a{
		{"its job runs, and nobody says more", `status: {jobStatus: {state: RUNNING}}`, "healthy"},
		{"it is a session, and stable", `status: {jobManagerDeploymentStatus: READY, lifecycleState: STABLE}`, "healthy"},
		{"its job begins", `status: {jobManagerDeploymentStatus: READY, jobStatus: {state: CREATED}}`, "progressing"},
		{"its job can't have its image", `status: {jobManagerDeploymentStatus: DEPLOYING, jobStatus: {state: RECONCILING}, error: ErrImagePull}`, "progressing"},
		{"its job runs, and is being upgraded", `status: {jobManagerDeploymentStatus: READY, reconciliationStatus: {state: UPGRADING}, jobStatus: {state: RUNNING}}`, "progressing"},
	}},
	{"kubeflow.org/v1", "Notebook", []a{
		{"its container runs", `status: {containerState: {running: {startedAt: "2026-01-01T00:00:00Z"}}, readyReplicas: 1}`, "healthy"},
		{"its container is being made", `status: {containerState: {waiting: {reason: ContainerCreating}}, readyReplicas: 0}`, "progressing"},
		{"its image can't be had", `status: {containerState: {waiting: {reason: ImagePullBackOff}}, readyReplicas: 0}`, "unhealthy"},
		{"its container ran out of memory", `status: {containerState: {terminated: {reason: OOMKilled, exitCode: 137}}, readyReplicas: 0}`, "unhealthy"},
		{"its container could not run", `status: {containerState: {terminated: {reason: ContainerCannotRun, exitCode: 0}}, readyReplicas: 0}`, "unhealthy"},
		{"somebody stopped it", `metadata: {annotations: {kubeflow-resource-stopped: "2026-01-01T00:00:00Z"}}, status: {readyReplicas: 0}`, "held"},
	}},
	{"cert-manager.io/v1", "CertificateRequest", []a{
		{"nobody is there to issue it", `status: ` + cond("Ready", "False", "Pending", `Referenced "ClusterIssuer" not found: clusterissuer.cert-manager.io "ca" not found`), "unhealthy"},
	}},
	{"canaries.flanksource.com/v1", "Canary", []a{
		{"its checks passed", `spec: {replicas: 1}, status: {status: Passed, message: "", replicas: 1}`, "healthy"},
		{"a check failed", `spec: {replicas: 1}, status: {status: Failed, message: "timeout", replicas: 1}`, "unhealthy"},
	}},
	{"v1", "Namespace", []a{{"it is going", `status: {phase: Terminating}`, "progressing"}}},
	{"v1", "Pod", []a{
		{"an init container ends again and again", `spec: {restartPolicy: Always}, status: {phase: Pending, initContainerStatuses: [{name: migrate, state: {waiting: {reason: CrashLoopBackOff, message: back-off}}}], containerStatuses: [{name: web, state: {waiting: {reason: PodInitializing}}}]}`, "unhealthy"},
		{"its init container runs", `spec: {restartPolicy: Always}, status: {phase: Pending, initContainerStatuses: [{name: migrate, state: {running: {}}}], containerStatuses: [{name: web, state: {waiting: {reason: PodInitializing}}}]}`, "progressing"},
	}},
	{"apps/v1", "ReplicaSet", []a{
		{"a quota refuses its pods", `metadata: {generation: 1}, spec: {replicas: 1}, status: {observedGeneration: 1, replicas: 0, conditions: [{type: ReplicaFailure, status: "True", reason: FailedCreate, message: exceeded quota}]}`, "unhealthy"},
	}},
	{"apps/v1", "StatefulSet", []a{
		{"all are ready, and nobody counts them all", `spec: {replicas: 3}, status: {readyReplicas: 3, currentReplicas: 3, currentRevision: a, updateRevision: a}`, "healthy"},
		{"one is of the former revision", `spec: {replicas: 3}, status: {readyReplicas: 3, currentReplicas: 3, currentRevision: a, updateRevision: b}`, "progressing"},
	}},
	{"apps/v1", "Deployment", []a{
		{"all are available, and nobody counts them all", `spec: {replicas: 3}, status: {updatedReplicas: 3, availableReplicas: 3, conditions: [{type: Available, status: "True"}]}`, "healthy"},
		{"one is not available, and nobody counts them all", `spec: {replicas: 3}, status: {updatedReplicas: 3, availableReplicas: 2, conditions: [{type: Available, status: "True"}]}`, "progressing"},
		{"an admission refuses its pods", `metadata: {generation: 1}, spec: {replicas: 1}, status: {observedGeneration: 1, replicas: 0, unavailableReplicas: 1, conditions: [{type: Progressing, status: "True", reason: NewReplicaSetCreated}, {type: ReplicaFailure, status: "True", reason: FailedCreate, message: denied by policy}]}`, "unhealthy"},
	}},
}
