package health

// documentedCases are what operators' documentation and API types say of their status, of kinds that no
// other tool's cases know: none has a rule of its own, so that each tries the tables.
var documentedCases = []own{
	{"k8ssandra.io/v1alpha1", "K8ssandraCluster", []a{
		{"a datacenter is being updated", `status: {conditions: [{type: CassandraInitialized, status: "True"}], datacenters: {dc1: {cassandra: {cassandraOperatorProgress: Updating}}}}`, "progressing"},
		{"its datacenter is ready", `status: {conditions: [{type: CassandraInitialized, status: "True"}], datacenters: {dc1: {cassandra: {cassandraOperatorProgress: Ready, conditions: [{type: Ready, status: "True"}]}}}}`, "healthy"}}},
	{"crdb.cockroachlabs.com/v1alpha1", "CrdbCluster", []a{
		{"it is made", `status: {clusterStatus: Starting, conditions: [{type: CrdbInitialized, status: "False"}]}`, "progressing"},
		{"it is there", `status: {clusterStatus: Finished, conditions: [{type: CrdbInitialized, status: "True"}]}`, "healthy"},
		{"an action failed", `status: {clusterStatus: Failed, conditions: [{type: CrdbInitialized, status: "True"}]}`, "unhealthy"}}},
	{"oceanbase.oceanbase.com/v1alpha1", "OBCluster", []a{{"it is new", `status: {status: new}`, "progressing"}, {"it runs", `status: {status: running}`, "healthy"}, {"it failed", `status: {status: failed}`, "unhealthy"}}},
	{"kubedb.com/v1", "Postgres", []a{
		{"it is made", `status: {phase: Provisioning, conditions: [{type: ProvisioningStarted, status: "True"}]}`, "progressing"},
		{"its data are restored", `status: {phase: DataRestoring, conditions: [{type: ProvisioningStarted, status: "True"}]}`, "progressing"},
		{"it is ready", `status: {phase: Ready, conditions: [{type: ProvisioningStarted, status: "True"}, {type: ReplicaReady, status: "True"}, {type: AcceptingConnection, status: "True"}, {type: Ready, status: "True"}, {type: Provisioned, status: "True"}]}`, "healthy"},
		{"a replica is missing", `status: {phase: Critical, conditions: [{type: ReplicaReady, status: "False", reason: SomeReplicasAreNotReady}, {type: Ready, status: "True"}]}`, "unhealthy"},
		{"somebody halted it", `status: {phase: Halted, conditions: [{type: Halted, status: "True", reason: DatabaseHaltedSuccessfully}]}`, "held"}}},
	{"cluster.redpanda.com/v1alpha2", "Redpanda", []a{
		{"it comes up", `status: {conditions: [{type: Ready, status: "False", reason: NotReady, message: 2/3 brokers are ready}, {type: Healthy, status: "True"}]}`, "progressing"},
		{"it is ready and healthy", `status: {conditions: [{type: Ready, status: "True"}, {type: Healthy, status: "True"}, {type: LicenseValid, status: "True"}, {type: ConfigurationApplied, status: "True"}, {type: Quiesced, status: "True"}, {type: Stable, status: "True"}]}`, "healthy"},
		{"a partition has no leader", `status: {conditions: [{type: Ready, status: "True"}, {type: Healthy, status: "False", reason: NotHealthy, message: leaderless partitions}]}`, "unhealthy"}}},
	{"asdb.aerospike.com/v1", "AerospikeCluster", []a{{"it is made", `status: {phase: InProgress}`, "progressing"}, {"it is complete", `status: {phase: Completed}`, "healthy"}, {"it has an error", `status: {phase: Error}`, "unhealthy"}}},
	{"milvus.io/v1beta1", "Milvus", []a{
		{"its stores come up", `status: {status: Pending, conditions: [{type: EtcdReady, status: "False", reason: EtcdNotReady}]}`, "progressing"},
		{"it is healthy", `status: {status: Healthy, conditions: [{type: EtcdReady, status: "True"}, {type: StorageReady, status: "True"}, {type: MilvusReady, status: "True"}]}`, "healthy"},
		{"it is not healthy any more", `status: {status: Unhealthy, conditions: [{type: MilvusReady, status: "False", reason: MilvusComponentsUnhealthy}]}`, "unhealthy"},
		{"somebody stopped it", `status: {status: Stopped, conditions: [{type: MilvusReady, status: "False", reason: MilvusStopped}]}`, "held"}}},
	{"loki.grafana.com/v1", "LokiStack", []a{
		{"its pods come up", `status: {conditions: [{type: Pending, status: "True", reason: PendingComponents}, {type: Ready, status: "False", reason: ReadyComponents}]}`, "progressing"},
		{"it is ready", `status: {conditions: [{type: Pending, status: "False", reason: PendingComponents}, {type: Ready, status: "True", reason: ReadyComponents}]}`, "healthy"},
		{"its bucket's secret is missing", `status: {conditions: [{type: Degraded, status: "True", reason: MissingObjectStorageSecret, message: Missing object storage secret}, {type: Ready, status: "False", reason: ReadyComponents}]}`, "unhealthy"},
		{"its schema is old, which is a warning", `status: {conditions: [{type: Ready, status: "True", reason: ReadyComponents}, {type: Warning, status: "True", reason: StorageNeedsSchemaUpdate}]}`, "healthy"}}},
	{"tempo.grafana.com/v1alpha1", "TempoStack", []a{
		{"it is ready", `status: {conditions: [{type: Ready, status: "True", reason: Ready}, {type: Pending, status: "False", reason: PendingComponents}]}`, "healthy"},
		{"its configuration is wrong", `status: {conditions: [{type: ConfigurationError, status: "True", reason: InvalidStorageConfig, message: no such secret}]}`, "unhealthy"},
		{"its pods come up", `status: {conditions: [{type: Ready, status: "False", reason: Ready}, {type: Pending, status: "True", reason: PendingComponents}]}`, "progressing"}}},
	{"logging.banzaicloud.io/v1beta1", "Flow", []a{{"it is active", `status: {active: true, problemsCount: 0}`, "healthy"}, {"an output is missing", `status: {active: false, problems: ["dangling local output reference: s3"], problemsCount: 1}`, "unhealthy"}}},
	{"secrets.hashicorp.com/v1beta1", "VaultConnection", []a{{"it is valid", `status: {valid: true}`, "healthy"}, {"it is not", `status: {valid: false, error: no route}`, "unhealthy"}}},
	{"secrets.infisical.com/v1alpha1", "InfisicalSecret", []a{
		{"it syncs", `status: {conditions: [{type: secrets.infisical.com/LoadedInfisicalToken, status: "True", reason: OK}, {type: secrets.infisical.com/ReadyToSyncSecrets, status: "True", reason: OK}]}`, "healthy"},
		{"its token is wrong", `status: {conditions: [{type: secrets.infisical.com/LoadedInfisicalToken, status: "False", reason: Error, message: Failed to load Infisical Token}, {type: secrets.infisical.com/ReadyToSyncSecrets, status: "False", reason: Error, message: Failed to sync}]}`, "unhealthy"}}},
	{"k8s.bitwarden.com/v1", "BitwardenSecret", []a{{"it is synced", `status: ` + cond("SuccessfulSync", "True", "ReconciliationComplete", ""), "healthy"}}},
	{"metal3.io/v1alpha1", "BareMetalHost", []a{
		{"it is inspected", `status: {operationalStatus: OK, provisioning: {state: inspecting}}`, "progressing"},
		{"its image is written", `status: {operationalStatus: OK, provisioning: {state: provisioning}}`, "progressing"},
		{"it is provisioned", `status: {operationalStatus: OK, provisioning: {state: provisioned}}`, "healthy"},
		{"it is there to be used", `status: {operationalStatus: OK, provisioning: {state: available}}`, "healthy"},
		{"its board can't be reached", `status: {operationalStatus: error, errorType: registration error, errorMessage: 401, provisioning: {state: registering}}`, "unhealthy"}}},
	{"machineconfiguration.openshift.io/v1", "MachineConfigPool", []a{
		{"all are updated", `status: {conditions: [{type: Updated, status: "True"}, {type: Updating, status: "False"}, {type: Degraded, status: "False"}, {type: RenderDegraded, status: "False"}, {type: NodeDegraded, status: "False"}]}`, "healthy"},
		{"a node is being updated", `status: {conditions: [{type: Updated, status: "False"}, {type: Updating, status: "True"}, {type: Degraded, status: "False"}]}`, "progressing"},
		{"a node is degraded", `status: {conditions: [{type: Updated, status: "False"}, {type: Updating, status: "True"}, {type: Degraded, status: "True"}, {type: NodeDegraded, status: "True", reason: 1 nodes are reporting degraded status on sync}]}`, "unhealthy"}}},
	{"config.openshift.io/v1", "ClusterVersion", []a{
		{"it is at its version", `status: {observedGeneration: 1, conditions: [{type: RetrievedUpdates, status: "False", reason: NoChannel}, {type: Available, status: "True"}, {type: ReleaseAccepted, status: "True"}, {type: Failing, status: "False"}, {type: Progressing, status: "False"}]}`, "healthy"},
		{"it goes to another", `status: {conditions: [{type: Available, status: "True"}, {type: Failing, status: "False"}, {type: Progressing, status: "True"}]}`, "progressing"},
		{"an operator fails", `status: {conditions: [{type: Available, status: "True"}, {type: Failing, status: "True", reason: ClusterOperatorDegraded}, {type: Progressing, status: "False"}]}`, "unhealthy"}}},
	{"core.oam.dev/v1beta1", "Application", []a{
		{"its workflow runs", `status: {status: runningWorkflow, conditions: [{type: Parsed, status: "True"}, {type: Render, status: "True"}]}`, "progressing"},
		{"it is rendered", `status: {status: rendering}`, "progressing"},
		{"it waits for an approval", `status: {status: workflowSuspending}`, "held"},
		{"it runs", `status: {status: running, services: [{name: web, healthy: true}], conditions: [{type: Parsed, status: "True"}, {type: WorkflowFinished, status: "True"}, {type: Ready, status: "True"}]}`, "healthy"},
		{"a part is not healthy", `status: {status: unhealthy, services: [{name: web, healthy: false}]}`, "unhealthy"},
		{"its workflow failed", `status: {status: workflowFailed}`, "unhealthy"},
		{"its workflow was ended", `status: {status: workflowTerminated}`, "unhealthy"}}},
	{"fleet.cattle.io/v1alpha1", "GitRepo", []a{
		{"its bundles are ready", `status: {conditions: [{type: Ready, status: "True"}, {type: Accepted, status: "True"}, {type: Reconciling, status: "False"}, {type: Stalled, status: "False"}], display: {state: "", readyBundleDeployments: 1/1}}`, "healthy"},
		{"a bundle is being applied", `status: {conditions: [{type: Ready, status: "False", message: "WaitApplied(1) [Bundle web]"}], display: {state: WaitApplied}}`, "progressing"},
		{"git can't be read", `status: {conditions: [{type: Ready, status: "True"}, {type: Stalled, status: "True", message: authentication required}], display: {state: GitUpdating}}`, "unhealthy"}}},
	{"provisioning.cattle.io/v1", "Cluster", []a{
		{"it waits for its nodes", `status: {ready: false, conditions: [{type: Ready, status: "False", reason: Waiting}, {type: Provisioned, status: Unknown, reason: Waiting}, {type: Stalled, status: "False"}]}`, "progressing"},
		{"it is ready", `status: {ready: true, conditions: [{type: Ready, status: "True"}, {type: Provisioned, status: "True"}, {type: Updated, status: "True"}, {type: Stalled, status: "False"}]}`, "healthy"}}},
	{"helm.cattle.io/v1", "HelmChart", []a{
		{"its job is made", `status: {jobName: helm-install-web, conditions: [{type: JobCreated, status: "True", reason: Job created}, {type: Failed, status: "False"}]}`, "healthy"},
		{"its job failed", `status: {jobName: helm-install-web, conditions: [{type: JobCreated, status: "True"}, {type: Failed, status: "True", reason: Error}]}`, "unhealthy"}}},
	{"upgrade.cattle.io/v1", "Plan", []a{
		{"nodes are being upgraded", `status: {applying: [a], conditions: [{type: Validated, status: "True"}, {type: LatestResolved, status: "True"}, {type: Complete, status: "False", reason: SyncJob, message: "upgrading nodes: a"}]}`, "progressing"},
		{"all are", `status: {conditions: [{type: Validated, status: "True"}, {type: LatestResolved, status: "True"}, {type: Complete, status: "True"}]}`, "healthy"}}},
	{"kamaji.clastix.io/v1alpha1", "TenantControlPlane", []a{
		{"it is made", `status: {kubernetesResources: {version: {status: Provisioning}, deployment: {readyReplicas: 0}}}`, "progressing"},
		{"it is ready", `status: {kubernetesResources: {version: {status: Ready, version: v1.33.0}, deployment: {readyReplicas: 2}}}`, "healthy"},
		{"it does not answer", `status: {kubernetesResources: {version: {status: NotReady}}}`, "progressing"}}},
	{"hypershift.openshift.io/v1beta1", "NodePool", []a{
		{"all are well, and nothing is scaled or repaired by itself", `status: {conditions: [{type: AutoscalingEnabled, status: "False", reason: AsExpected}, {type: AutorepairEnabled, status: "False", reason: AsExpected}, {type: UpdateManagementEnabled, status: "True"}, {type: ValidReleaseImage, status: "True"}, {type: AllMachinesReady, status: "True"}, {type: AllNodesHealthy, status: "True"}, {type: Ready, status: "True"}]}`, "healthy"},
		{"machines come up", `status: {conditions: [{type: AutoscalingEnabled, status: "False", reason: AsExpected}, {type: AllMachinesReady, status: "False", reason: Creating}, {type: Ready, status: "False", reason: ScalingUp}]}`, "progressing"}}},
	{"moco.cybozu.com/v1beta2", "MySQLCluster", []a{
		{"it is healthy", `status: {conditions: [{type: Initialized, status: "True"}, {type: Available, status: "True"}, {type: Healthy, status: "True"}, {type: StatefulSetReady, status: "True"}, {type: ReconcileSuccess, status: "True"}, {type: ReconciliationActive, status: "True"}, {type: ClusteringActive, status: "True"}]}`, "healthy"},
		{"a replica is not", `status: {conditions: [{type: Initialized, status: "True"}, {type: Available, status: "True"}, {type: Healthy, status: "False", reason: Degraded, message: the current state is Degraded}]}`, "unhealthy"}}},
	{"mysql.presslabs.org/v1alpha1", "MysqlCluster", []a{
		{"it is ready", `status: {readyNodes: 2, conditions: [{type: ReadOnly, status: "False", reason: ClusterReadOnlyFalse}, {type: PendingFailoverAck, status: "False", reason: NoPendingFailoverAckExists}, {type: FailoverInProgress, status: "False"}, {type: Ready, status: "True"}]}`, "healthy"},
		{"it is not", `status: {readyNodes: 0, conditions: [{type: Ready, status: "False", reason: StatefulSetNotReady}]}`, "progressing"}}},
	{"quay.redhat.com/v1", "QuayRegistry", []a{
		{"it is available", `status: {conditions: [{type: Available, status: "True", reason: HealthChecksPassing}, {type: RolloutBlocked, status: "False", reason: ComponentsCreationSuccess}, {type: ComponentsCreated, status: "True"}]}`, "healthy"},
		{"its configuration blocks it", `status: {conditions: [{type: Available, status: "False", reason: ComponentNotReady}, {type: RolloutBlocked, status: "True", reason: ConfigInvalid}]}`, "unhealthy"},
		{"its components come up", `status: {conditions: [{type: Available, status: "False", reason: MigrationsInProgress}, {type: RolloutBlocked, status: "False"}]}`, "progressing"}}},
	{"apps.gitlab.com/v1beta1", "GitLab", []a{{"it is prepared", `status: {phase: Preparing, conditions: [{type: Initialized, status: "False"}]}`, "progressing"}, {"it runs", `status: {phase: Running, conditions: [{type: Initialized, status: "True"}, {type: Upgrading, status: "False"}, {type: Available, status: "True"}]}`, "healthy"}}},
	{"goharbor.io/v1beta1", "HarborCluster", []a{{"it is made", `status: {status: creating}`, "progressing"}, {"it is healthy", `status: {status: healthy, conditions: [{type: CacheReady, status: "True"}, {type: DatabaseReady, status: "True"}, {type: ServiceReady, status: "True"}]}`, "healthy"}, {"it is not", `status: {status: unhealthy}`, "unhealthy"}}},
	{"hydra.ory.sh/v1alpha1", "OAuth2Client", []a{{"it is registered", `status: {conditions: [{type: Ready, status: "True"}], reconciliationError: {}}`, "healthy"}, {"hydra refuses it", `status: {conditions: [{type: Ready, status: "False"}], reconciliationError: {statusCode: REGISTRATION_FAILED, description: 400 Bad Request}}`, "unhealthy"}}},
	{"configuration.konghq.com/v1", "KongConsumer", []a{{"it is programmed", `status: ` + cond("Programmed", "True", "Programmed", ""), "healthy"}, {"it is wrong", `status: ` + cond("Programmed", "False", "Invalid", "no credential"), "unhealthy"}, {"it waits", `status: ` + cond("Programmed", "Unknown", "Pending", "Waiting for controller"), "progressing"}}},
	{"apisix.apache.org/v2", "ApisixRoute", []a{{"it is synced", `status: {conditions: [{type: ResourcesAvailable, status: "True", reason: ResourcesSynced, observedGeneration: 1}]}`, "healthy"}, {"its backend is missing", `status: ` + cond("ResourcesAvailable", "False", "ResourceSyncAborted", "service not found"), "unhealthy"}}},
	{"k8s.nginx.org/v1", "VirtualServer", []a{{"it is valid", `status: {state: Valid, reason: AddedOrUpdated, message: Configuration was added}`, "healthy"}, {"it is not", `status: {state: Invalid, reason: Rejected, message: no such upstream}`, "unhealthy"}}},
	{"cis.f5.com/v1", "TransportServer", []a{{"it is there", `status: {status: OK, vsAddress: 192.0.2.7}`, "healthy"}, {"it is not", `status: {status: ERROR, error: no partition}`, "unhealthy"}}},
	{"chaos-mesh.org/v1alpha1", "PodChaos", []a{
		{"it is in all pods", `status: {conditions: [{type: Selected, status: "True"}, {type: AllInjected, status: "True"}, {type: AllRecovered, status: "False"}, {type: Paused, status: "False"}], experiment: {desiredPhase: Run}}`, "healthy"},
		{"somebody paused it", `status: {conditions: [{type: Selected, status: "True"}, {type: Paused, status: "True"}], experiment: {desiredPhase: Stop}}`, "held"}}},
	{"k6.io/v1alpha1", "TestRun", []a{{"it runs", `status: {stage: started}`, "progressing"}, {"it is made", `status: {stage: created}`, "progressing"}, {"it is done", `status: {stage: finished}`, "healthy"}, {"it could not run", `status: {stage: error}`, "unhealthy"}}},
	{"k8up.io/v1", "Backup", []a{
		{"it runs", `status: {started: true, conditions: [{type: Progressing, status: "True", reason: Started}, {type: Ready, status: "True", reason: Ready}]}`, "progressing"},
		{"it is done", `status: {started: true, finished: true, conditions: [{type: Progressing, status: "False", reason: Finished}, {type: Completed, status: "True", reason: Succeeded}]}`, "healthy"},
		{"it ended, and failed", `status: {started: true, finished: true, conditions: [{type: Progressing, status: "False", reason: Finished}, {type: Completed, status: "True", reason: Failed, message: job failed}]}`, "unhealthy"}}},
	{"core.kubestash.com/v1alpha1", "BackupSession", []a{{"it runs", `status: {phase: Running}`, "progressing"}, {"it is done", `status: {phase: Succeeded}`, "healthy"}, {"it failed", `status: {phase: Failed}`, "unhealthy"}}},
	{"cr.kanister.io/v1alpha1", "ActionSet", []a{{"it runs", `status: {state: running}`, "progressing"}, {"it is done", `status: {state: complete}`, "healthy"}, {"it failed", `status: {state: failed, error: {message: exit 1}}`, "unhealthy"}}},
	{"volsync.backube/v1alpha1", "ReplicationSource", []a{
		{"it is at its first copy", `status: {conditions: [{type: Synchronizing, status: "True", reason: SyncInProgress, message: Synchronization in-progress}]}`, "progressing"},
		{"it waits for its time", `status: {lastSyncTime: "2026-01-01T00:00:00Z", conditions: [{type: Synchronizing, status: "False", reason: WaitingForSchedule, message: Waiting for next scheduled synchronization}]}`, "healthy"},
		{"its mover fails", `status: {conditions: [{type: Synchronizing, status: "False", reason: Error, message: no such secret}]}`, "unhealthy"}}},
	{"piraeus.io/v1", "LinstorCluster", []a{{"it is there", `status: {conditions: [{type: Applied, status: "True"}, {type: Available, status: "True"}, {type: Configured, status: "True"}]}`, "healthy"}, {"its controller is not", `status: {conditions: [{type: Applied, status: "True"}, {type: Available, status: "False", reason: Error, message: connection refused}, {type: Configured, status: Unknown}]}`, "unhealthy"}}},
	{"capsule.clastix.io/v1beta2", "Tenant", []a{{"it is active", `status: {state: Active, size: 2}`, "healthy"}, {"somebody closed it", `status: {state: Cordoned, size: 2}`, "held"}}},
	{"everest.percona.com/v1alpha1", "DatabaseCluster", []a{{"it comes up", `status: {status: initializing, ready: 1, size: 3}`, "progressing"}, {"it is ready", `status: {status: ready, ready: 3, size: 3}`, "healthy"}, {"it has an error", `status: {status: error, message: no class}`, "unhealthy"}}},
	{"apps.kubeblocks.io/v1", "Cluster", []a{
		{"it is made", `status: {phase: Creating, conditions: [{type: ProvisioningStarted, status: "True"}, {type: ReplicasReady, status: "False", reason: ReplicasNotReady}]}`, "progressing"},
		{"it runs", `status: {phase: Running, conditions: [{type: ProvisioningStarted, status: "True"}, {type: ApplyResources, status: "True"}, {type: ReplicasReady, status: "True"}, {type: Ready, status: "True"}]}`, "healthy"},
		{"a component is abnormal", `status: {phase: Abnormal, conditions: [{type: Ready, status: "False", reason: ComponentsNotReady}]}`, "unhealthy"}}},
	{"kubernetes.dask.org/v1", "DaskCluster", []a{{"it is made", `status: {phase: Pending}`, "progressing"}, {"it runs", `status: {phase: Running}`, "healthy"}, {"it has an error", `status: {phase: Error}`, "unhealthy"}}},
	{"machinelearning.seldon.io/v1", "SeldonDeployment", []a{{"it is made", `status: {state: Creating}`, "progressing"}, {"it is available", `status: {state: Available, replicas: 1, deploymentStatus: {web: {replicas: 1, availableReplicas: 1}}}`, "healthy"}, {"it failed", `status: {state: Failed, description: no such image}`, "unhealthy"}}},
	{"platform.kratix.io/v1alpha1", "Promise", []a{{"it is available", `status: {status: Available, conditions: [{type: RequirementsFulfilled, status: "True"}, {type: Available, status: "True"}]}`, "healthy"}, {"what it needs is missing", `status: {status: Unavailable, conditions: [{type: RequirementsFulfilled, status: "False", reason: RequirementsNotInstalled}, {type: Available, status: "False", reason: PromiseUnavailable}]}`, "unhealthy"}}},
	{"kuadrant.io/v1", "AuthPolicy", []a{{"it is enforced", `status: {conditions: [{type: Accepted, status: "True"}, {type: Enforced, status: "True"}]}`, "healthy"}, {"it is accepted, and not enforced", `status: {conditions: [{type: Accepted, status: "True"}, {type: Enforced, status: "False", reason: Unknown, message: "AuthPolicy has encountered some issues"}]}`, "progressing"}}},
	{"operator.cluster.x-k8s.io/v1alpha2", "CoreProvider", []a{{"it is installed", `status: {conditions: [{type: PreflightCheckPassed, status: "True"}, {type: ProviderInstalled, status: "True"}, {type: Ready, status: "True"}]}`, "healthy"}, {"its check failed", `status: {conditions: [{type: PreflightCheckPassed, status: "False", reason: IncorrectVersionFormat}, {type: Ready, status: "False"}]}`, "progressing"}}},
	{"jobset.x-k8s.io/v1alpha2", "JobSet", []a{{"it runs", `status: {replicatedJobsStatus: [{name: w, active: 1, ready: 1}], restarts: 0}`, "progressing"}, {"it is done", `status: {terminalState: Completed, conditions: [{type: Completed, status: "True", reason: AllJobsCompleted}]}`, "healthy"}, {"it failed", `status: {terminalState: Failed, conditions: [{type: Failed, status: "True", reason: FailedJobs}]}`, "unhealthy"}, {"it is suspended", `status: {conditions: [{type: Suspended, status: "True", reason: SuspendedJobs}]}`, "held"}}},
	{"leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", []a{{"groups come up", `spec: {replicas: 2}, status: {replicas: 2, readyReplicas: 1, updatedReplicas: 2, conditions: [{type: Progressing, status: "True", reason: GroupsProgressing}, {type: Available, status: "False", reason: AllGroupsReady}]}`, "progressing"},
		{"all are ready", `spec: {replicas: 2}, status: {replicas: 2, readyReplicas: 2, updatedReplicas: 2, conditions: [{type: Progressing, status: "False"}, {type: Available, status: "True", reason: AllGroupsReady}]}`, "healthy"}}},
	{"security-profiles-operator.x-k8s.io/v1beta1", "SeccompProfile", []a{{"it is being installed", `status: {status: InProgress}`, "progressing"}, {"it is installed", `status: {status: Installed, conditions: [{type: Ready, status: "True"}]}`, "healthy"}, {"it can't be", `status: {status: Error}`, "unhealthy"}, {"it is on some nodes", `status: {status: Partial}`, "progressing"}}},
	{"policies.kubewarden.io/v1", "ClusterAdmissionPolicy", []a{{"it is scheduled", `status: {policyStatus: scheduled}`, "progressing"}, {"no server has it", `status: {policyStatus: unscheduled}`, "progressing"}, {"it is active", `status: {policyStatus: active, conditions: [{type: PolicyActive, status: "True"}, {type: PolicyUniquelyReachable, status: "True"}]}`, "healthy"}, {"its server loads it", `status: {policyStatus: pending, conditions: [{type: PolicyActive, status: "False", reason: PolicyActive}]}`, "progressing"}}},
	{"broker.amq.io/v1beta1", "ActiveMQArtemis", []a{
		{"it is ready", `status: {conditions: [{type: Valid, status: "True"}, {type: Deployed, status: "True", reason: AllPodsReady}, {type: Ready, status: "True"}, {type: BrokerPropertiesApplied, status: "True"}, {type: ReconcileBlocked, status: "False"}]}`, "healthy"},
		{"its pods come up", `status: {conditions: [{type: Valid, status: "True"}, {type: Deployed, status: "False", reason: PodsNotReady}, {type: Ready, status: "False", reason: WaitingForAllConditions}]}`, "progressing"},
		{"its spec is wrong", `status: {conditions: [{type: Valid, status: "False", reason: AcceptorsInvalid}, {type: Ready, status: "False", reason: WaitingForAllConditions}]}`, "unhealthy"}}},
	{"sonataflow.org/v1alpha08", "SonataFlow", []a{{"it is built", `status: {conditions: [{type: Built, status: "False", reason: BuildIsRunning}, {type: Running, status: "False", reason: WaitingForBuild}]}`, "progressing"}, {"it runs", `status: {conditions: [{type: Built, status: "True"}, {type: Running, status: "True"}]}`, "healthy"}, {"its build failed", `status: {conditions: [{type: Built, status: "False", reason: BuildFailed}, {type: Running, status: "False", reason: BuildFailed}]}`, "unhealthy"}}},
	{"cluster.open-cluster-management.io/v1", "ManagedCluster", []a{
		{"it has joined", `status: {conditions: [{type: HubAcceptedManagedCluster, status: "True"}, {type: ManagedClusterJoined, status: "True"}, {type: ManagedClusterConditionAvailable, status: "True"}]}`, "healthy"},
		{"it has not", `status: {conditions: [{type: HubAcceptedManagedCluster, status: "True"}]}`, "progressing"},
		{"it does not answer", `status: {conditions: [{type: HubAcceptedManagedCluster, status: "True"}, {type: ManagedClusterJoined, status: "True"}, {type: ManagedClusterConditionAvailable, status: Unknown, reason: ManagedClusterLeaseUpdateStopped}]}`, "progressing"}}},
	{"operator.open-cluster-management.io/v1", "MultiClusterHub", []a{{"it is installed", `status: {phase: Installing}`, "progressing"}, {"it runs", `status: {phase: Running, conditions: [{type: Complete, status: "True"}]}`, "healthy"}}},
	{"tailscale.com/v1alpha1", "Connector", []a{{"it is up", `status: ` + cond("ConnectorReady", "True", "ConnectorCreated", ""), "healthy"}, {"it is wrong", `status: ` + cond("ConnectorReady", "False", "ConnectorInvalid", "no routes"), "unhealthy"}}},
	{"db.movetokube.com/v1alpha1", "Postgres", []a{{"it was made", `status: {succeeded: true, roles: {owner: a}}`, "healthy"}, {"it was not", `status: {succeeded: false}`, "unhealthy"}}},
	{"kinda.rocks/v1beta1", "Database", []a{{"it was made", `status: {status: true, phase: Ready}`, "healthy"}, {"it is being made", `status: {status: false, phase: Creating}`, "progressing"}}},
	{"build.openshift.io/v1", "Build", []a{{"it runs", `status: {phase: Running}`, "progressing"}, {"it is done", `status: {phase: Complete}`, "healthy"}, {"it failed", `status: {phase: Failed, reason: DockerBuildFailed}`, "unhealthy"}}},
	{"kpack.io/v1alpha2", "Image", []a{{"it is built", `status: {conditions: [{type: Ready, status: Unknown, reason: BuildExecuting}, {type: BuilderReady, status: "True"}]}`, "progressing"}, {"it was", `status: {conditions: [{type: Ready, status: "True"}, {type: BuilderReady, status: "True"}]}`, "healthy"}, {"it could not be", `status: {conditions: [{type: Ready, status: "False", reason: BuildFailed}, {type: BuilderReady, status: "True"}]}`, "unhealthy"}}},
	{"multicluster.x-k8s.io/v1alpha1", "ServiceExport", []a{{"it is exported", `status: {conditions: [{type: Valid, status: "True"}, {type: Conflict, status: "False"}]}`, "healthy"}, {"others export it otherwise", `status: {conditions: [{type: Valid, status: "True"}, {type: Conflict, status: "True", reason: PortConflict}]}`, "unhealthy"}}},
	{"openebs.io/v1beta2", "DiskPool", []a{{"it is made", `status: {cr_state: Creating, pool_status: Unknown}`, "progressing"}, {"it is online", `status: {cr_state: Created, pool_status: Online}`, "healthy"}}},
	{"lvm.topolvm.io/v1alpha1", "LVMCluster", []a{{"it is ready", `status: {state: Ready, ready: true}`, "healthy"}, {"it is made", `status: {state: Progressing, ready: false}`, "progressing"}, {"a node failed", `status: {state: Failed, ready: false}`, "unhealthy"}}},
	{"noobaa.io/v1alpha1", "NooBaa", []a{{"it is configured", `status: {phase: Configuring}`, "progressing"}, {"it connects", `status: {phase: Connecting}`, "progressing"}, {"it is ready", `status: {phase: Ready}`, "healthy"}, {"it was rejected", `status: {phase: Rejected}`, "unhealthy"}}},
	{"dynatrace.com/v1beta5", "DynaKube", []a{{"it is deployed", `status: {phase: Deploying}`, "progressing"}, {"it runs", `status: {phase: Running, conditions: [{type: Tokens, status: "True", reason: TokenReady}]}`, "healthy"}, {"its token is wrong", `status: {phase: Error, conditions: [{type: Tokens, status: "False", reason: TokenError}]}`, "unhealthy"}}},
	{"enterprise.splunk.com/v4", "Standalone", []a{{"it scales", `status: {phase: ScalingUp, replicas: 2, readyReplicas: 1}`, "progressing"}, {"it is ready", `status: {phase: Ready, replicas: 1, readyReplicas: 1}`, "healthy"}, {"it has an error", `status: {phase: Error, replicas: 1, readyReplicas: 1}`, "unhealthy"}}},
	{"wavefront.com/v1alpha1", "Wavefront", []a{{"it is installed", `status: {status: Installing}`, "progressing"}, {"it is healthy", `status: {status: Healthy}`, "healthy"}, {"it is not", `status: {status: Unhealthy, message: no proxy}`, "unhealthy"}}},
	{"perses.dev/v1alpha2", "Perses", []a{{"it is available", `status: {conditions: [{type: Available, status: "True"}, {type: Degraded, status: "False"}]}`, "healthy"}, {"its pod is not", `status: {conditions: [{type: Available, status: "False", reason: Reconciling}, {type: Degraded, status: "False"}]}`, "progressing"}}},
	{"hnc.x-k8s.io/v1alpha2", "HierarchyConfiguration", []a{{"it says nothing of itself", `status: {children: [a]}`, "progressing"}, {"it is wrong", `status: ` + cond("BadConfiguration", "True", "InCycle", ""), "unhealthy"}}},
	{"valkey.hyperspike.io/v1", "Valkey", []a{{"it comes up", `status: {ready: false, conditions: [{type: Progressing, status: "True"}]}`, "progressing"}, {"it is ready", `status: {ready: true}`, "healthy"}}},
	{"mlops.seldon.io/v1alpha1", "Model", []a{{"no server has it", `status: {conditions: [{type: ModelReady, status: "False", reason: ScheduleFailed}, {type: Ready, status: "False", reason: ScheduleFailed}]}`, "unhealthy"}, {"it is loaded", `status: {conditions: [{type: ModelReady, status: "True"}, {type: Ready, status: "True"}], replicas: 1, availableReplicas: 1}`, "healthy"}}},
}
