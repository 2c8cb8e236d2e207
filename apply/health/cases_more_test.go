package health

// moreCases are of kinds that no rule is for: they try the generic one.
var moreCases = []own{
	{"longhorn.io/v1beta2", "Volume", []a{
		{"it is up", `status: {state: attached, robustness: healthy, currentNodeID: n1}`, "healthy"},
		{"it is on its way", `status: {state: attaching, robustness: unknown}`, "progressing"},
		{"it is in trouble", `status: {state: detached, robustness: faulted}`, "unhealthy"},
		{"it is in trouble, in another way", `status: {state: attached, robustness: degraded}`, "unhealthy"},
	}},
	{"longhorn.io/v1beta2", "BackupTarget", []a{
		{"it is up", `status: {available: true, ownerID: n1, conditions: [{type: Unavailable, status: "False", reason: ""}]}`, "healthy"},
		{"it is in trouble", `status: {available: false, ownerID: n1, conditions: [{type: Unavailable, status: "True", reason: Unavailable, message: cannot find the secret}]}`, "unhealthy"},
	}},
	{"cilium.io/v2", "CiliumNetworkPolicy", []a{
		{"it is up", `status: {conditions: [{type: Valid, status: "True", message: Policy validation succeeded}]}`, "healthy"},
		{"it is in trouble", `status: {conditions: [{type: Valid, status: "False", message: "invalid entity"}]}`, "unhealthy"},
	}},
	{"cilium.io/v2alpha1", "CiliumLoadBalancerIPPool", []a{
		{"it is up", `status: {conditions: [{type: cilium.io/PoolConflict, status: "False", reason: resolved},{type: cilium.io/IPsTotal, status: Unknown, reason: noreason, message: "254"},{type: cilium.io/IPsAvailable, status: Unknown, reason: noreason, message: "250"},{type: cilium.io/IPsUsed, status: Unknown, reason: noreason, message: "4"}]}`, "healthy"},
		{"it is in trouble", `status: {conditions: [{type: cilium.io/PoolConflict, status: "True", reason: cidr_overlap, message: "Pool conflicts since cidr overlaps"},{type: cilium.io/IPsTotal, status: Unknown, reason: noreason, message: "254"}]}`, "unhealthy"},
	}},
	{"cilium.io/v2", "CiliumBGPClusterConfig", []a{
		{"it is up", `status: {conditions: [{type: cilium.io/NoMatchingNode, status: "False", reason: NoMatchingNode},{type: cilium.io/MissingPeerConfigs, status: "False", reason: MissingPeerConfigs},{type: cilium.io/ConflictingClusterConfig, status: "False", reason: Conflict}]}`, "healthy"},
		{"it is in trouble", `status: {conditions: [{type: cilium.io/NoMatchingNode, status: "False", reason: NoMatchingNode},{type: cilium.io/MissingPeerConfigs, status: "True", reason: MissingPeerConfigs, message: "Referenced CiliumBGPPeerConfig(s) are missing"}]}`, "unhealthy"},
	}},
	{"operator.tigera.io/v1", "Installation", []a{{"it is up", `metadata: {generation: 2}, status: {variant: Calico, mtu: 1440, conditions: [{type: Ready, status: "True", reason: AllObjectsAvailable, message: All objects available, observedGeneration: 2},{type: Progressing, status: "False", reason: NotApplicable, observedGeneration: 2},{type: Degraded, status: "False", reason: NotApplicable, observedGeneration: 2}]}`, "healthy"}}},
	{"operator.tigera.io/v1", "TigeraStatus", []a{{"it is on its way", `status: {conditions: [{type: Available, status: "False", reason: Unknown},{type: Progressing, status: "True", reason: ResourceNotReady, message: "DaemonSet calico-system/calico-node is not available (awaiting 2 nodes)"},{type: Degraded, status: "False"}]}`, "progressing"}}},
	{"operator.tigera.io/v1", "APIServer", []a{{"it is up", `status: {state: Ready, conditions: [{type: Ready, status: "True"},{type: Degraded, status: "False"},{type: Progressing, status: "False"}]}`, "healthy"}}},
	{"vault.banzaicloud.com/v1alpha1", "Vault", []a{
		{"it is up", `status: {leader: vault-0, nodes: [vault-0], conditions: [{type: Healthy, status: "True", error: ""}]}`, "healthy"},
		{"it is on its way", `status: {leader: "", nodes: [], conditions: [{type: Healthy, status: "False", error: ""}]}`, "progressing"},
		{"it is in trouble", `status: {leader: "", nodes: [], conditions: [{type: Healthy, status: "False", error: "permission denied"}]}`, "unhealthy"},
	}},
	{"temporal.io/v1beta1", "TemporalCluster", []a{
		{"it is up", `status: {version: 1.24.0, persistence: {defaultStore: {created: true, setup: true}}, services: [{name: frontend, ready: true, version: 1.24.0}], conditions: [{type: ReconcileSuccess, status: "True", reason: LastReconcileCycleSucceded},{type: Ready, status: "True", reason: ServicesReady}]}`, "healthy"},
		{"it is on its way", `status: {services: [{name: frontend, ready: false}], conditions: [{type: ReconcileSuccess, status: "True", reason: LastReconcileCycleSucceded},{type: Ready, status: "False", reason: ServicesNotReady}]}`, "progressing"},
		{"it is in trouble", `status: {conditions: [{type: ReconcileError, status: "True", reason: PersistenceReconciliationFailed, message: "dial tcp"}]}`, "unhealthy"},
	}},
	{"jetstream.nats.io/v1beta2", "Stream", []a{
		{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True", reason: Created, message: "Stream 's' created"}]}`, "healthy"},
		{"it is in trouble", `metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: Errored, message: "nats: no responders"}]}`, "unhealthy"},
	}},
	{"jetstream.nats.io/v1beta2", "Consumer", []a{{"it is on its way", `metadata: {generation: 2}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "True", reason: Created}]}`, "progressing"}}},
	{"databases.spotahome.com/v1", "RedisFailover", []a{{"it is up", `spec: {redis: {replicas: 3}}`, "healthy"}}},
	{"redis.redis.opstreelabs.in/v1beta2", "RedisCluster", []a{
		{"it is up", `status: {state: Ready, reason: RedisCluster is ready, readyLeaderReplicas: 3, readyFollowerReplicas: 3}`, "healthy"},
		{"it is on its way", `status: {state: Bootstrap, reason: RedisCluster is bootstrapping, readyLeaderReplicas: 3, readyFollowerReplicas: 3}`, "progressing"},
		{"it is on its way, in another way", `status: {state: Initializing, reason: RedisCluster is initializing leaders, readyLeaderReplicas: 0, readyFollowerReplicas: 0}`, "progressing"},
		{"it is in trouble", `status: {state: Failed, reason: RedisCluster has too many unconnected nodes, readyLeaderReplicas: 3}`, "unhealthy"},
	}},
	{"app.redislabs.com/v1", "RedisEnterpriseCluster", []a{
		{"it is up", `status: {state: Running, specStatus: Valid, licenseStatus: {licenseState: Valid}}`, "healthy"},
		{"it is on its way", `status: {state: BootstrappingFirstPod, specStatus: Valid}`, "progressing"},
		{"it is in trouble", `status: {state: InvalidConfiguration, specStatus: Invalid}`, "unhealthy"},
	}},
	{"app.redislabs.com/v1alpha1", "RedisEnterpriseDatabase", []a{
		{"it is up", `status: {status: active, specStatus: Valid, databaseUID: "1"}`, "healthy"},
		{"it is on its way", `status: {status: creation-pending, specStatus: Valid}`, "progressing"},
	}},
	{"dragonflydb.io/v1alpha1", "Dragonfly", []a{
		{"it is up", `status: {phase: ready, isRollingUpdate: false}`, "healthy"},
		{"it is on its way", `status: {phase: resources-created, isRollingUpdate: false}`, "progressing"},
		{"it is on its way, in another way", `status: {phase: ready, isRollingUpdate: true}`, "progressing"},
	}},
	{"stackgres.io/v1", "SGCluster", []a{
		{"it is up", `status: {instances: 3, conditions: [{type: PendingRestart, status: "False", reason: FalsePendingRestart},{type: PendingUpgrade, status: "False", reason: FalsePendingUpgrade},{type: Bootstrapped, status: "True", reason: Bootstrapped},{type: Failed, status: "False", reason: FalseFailed}]}`, "healthy"},
		{"it is in trouble", `status: {conditions: [{type: Failed, status: "True", reason: ClusterConfigFailed, message: "no profile"}]}`, "unhealthy"},
	}},
	{"scylla.scylladb.com/v1", "ScyllaCluster", []a{
		{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1, members: 3, readyMembers: 3, racks: {a: {members: 3, readyMembers: 3, currentVersion: "6"}}, conditions: [{type: Available, status: "True", reason: AsExpected, observedGeneration: 1},{type: Progressing, status: "False", reason: AsExpected, observedGeneration: 1},{type: Degraded, status: "False", reason: AsExpected, observedGeneration: 1}]}`, "healthy"},
		{"it is on its way", `metadata: {generation: 1}, status: {observedGeneration: 1, members: 1, readyMembers: 0, conditions: [{type: Available, status: "False", reason: MembersNotReady, message: "0 of 3 ready", observedGeneration: 1},{type: Progressing, status: "True", reason: WaitingForStatefulSetRollout, observedGeneration: 1},{type: Degraded, status: "False", reason: AsExpected, observedGeneration: 1}]}`, "progressing"},
		{"it is in trouble", `metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Available, status: "False", reason: Error, observedGeneration: 1},{type: Progressing, status: "False", reason: AsExpected},{type: Degraded, status: "True", reason: StatefulSetControllerDegraded_Error, message: "x", observedGeneration: 1}]}`, "unhealthy"},
	}},
	{"cassandra.datastax.com/v1beta1", "CassandraDatacenter", []a{
		{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1, cassandraOperatorProgress: Ready, conditions: [{type: Initialized, status: "True"},{type: Ready, status: "True"},{type: Healthy, status: "True"},{type: ReplacingNodes, status: "False"},{type: ScalingUp, status: "False"},{type: Updating, status: "False"},{type: Stopped, status: "False"},{type: Resuming, status: "False"},{type: RollingRestart, status: "False"},{type: Valid, status: "True"}]}`, "healthy"},
		{"it is on its way", `metadata: {generation: 1}, status: {observedGeneration: 1, cassandraOperatorProgress: Updating, conditions: [{type: Healthy, status: "False"},{type: Stopped, status: "False"},{type: ReplacingNodes, status: "False"},{type: Updating, status: "False"},{type: RollingRestart, status: "False"}]}`, "progressing"},
		{"it is on its way, in another way", `metadata: {generation: 1}, status: {observedGeneration: 1, cassandraOperatorProgress: Updating, conditions: [{type: Initialized, status: "True"},{type: Ready, status: "True"},{type: Healthy, status: "True"},{type: ScalingUp, status: "True"}]}`, "progressing"},
	}},
	{"k8ssandra.io/v1alpha1", "K8ssandraCluster", []a{
		{"it is on its way", `status: {conditions: [{type: CassandraInitialized, status: "True"}], datacenters: {dc1: {cassandra: {cassandraOperatorProgress: Updating, conditions: [{type: Ready, status: "False"}]}}}}`, "progressing"},
		{"it is in trouble", `status: {error: "no such superuser secret", conditions: [{type: CassandraInitialized, status: "True"}]}`, "unhealthy"},
	}},
	{"kiali.io/v1alpha1", "Kiali", []a{
		{"it is up", `status: {conditions: [{type: Successful, status: "True", reason: Successful, message: Last reconciliation succeeded},{type: Running, status: "True", reason: Successful, message: Awaiting next reconciliation},{type: Failure, status: "False"}], progress: {message: "7. Finished all resource creation"}}`, "healthy"},
		{"it is in trouble", `status: {conditions: [{type: Failure, status: "True", reason: Failed, message: "task failed"},{type: Running, status: "False"},{type: Successful, status: "False"}]}`, "unhealthy"},
		{"it is on its way", `status: {conditions: [{type: Running, status: "True", reason: Running, message: Running reconciliation},{type: Failure, status: "False"},{type: Successful, status: "False"}]}`, "progressing"},
	}},
	{"jaegertracing.io/v1", "Jaeger", []a{
		{"it is up", `status: {phase: Running, version: 1.57.0}`, "healthy"},
		{"it is in trouble", `status: {phase: Failed, version: 1.57.0}`, "unhealthy"},
	}},
	{"operator.projectcontour.io/v1alpha1", "Contour", []a{{"it is up", `status: {availableContours: 2, availableEnvoys: 3, conditions: [{type: Available, status: "True", reason: ContourAvailable}]}`, "healthy"}}},
	{"projectcontour.io/v1", "HTTPProxy", []a{{"it is up", `status: {currentStatus: valid, description: Valid HTTPProxy, conditions: [{type: Valid, status: "True", reason: Valid}]}`, "healthy"}}},
	{"projectcontour.io/v1alpha1", "ExtensionService", []a{{"it is in trouble", `status: {conditions: [{type: Valid, status: "False", reason: ErrorPresent, message: "at least one error present", errors: [{type: SpecError, status: "True"}]}]}`, "unhealthy"}}},
	{"kuma.io/v1alpha1", "MeshService", []a{
		{"it is up", `status: {hostnameGenerators: [], tls: {status: Ready}, vips: []}`, "healthy"},
		{"it is on its way", `status: {hostnameGenerators: [], tls: {status: NotReady}, vips: []}`, "progressing"},
	}},
	{"consul.hashicorp.com/v1alpha1", "ServiceDefaults", []a{
		{"it is up", `status: {conditions: [{type: Synced, status: "True"}]}`, "healthy"},
		{"it is in trouble", `status: {conditions: [{type: Synced, status: "False", reason: ExternallyManagedConfigError, message: "config entry managed in different datacenter"}]}`, "unhealthy"},
	}},
	{"consul.hashicorp.com/v1alpha1", "IngressGateway", []a{{"it is on its way", `status: {conditions: [{type: Synced, status: Unknown, reason: MigrationInProgress}]}`, "progressing"}}},
	{"dapr.io/v1alpha1", "Component", []a{{"it is up", `spec: {type: state.redis}`, "healthy"}}},
	{"s3.services.k8s.aws/v1alpha1", "Bucket", []a{{"it is up", `status: {ackResourceMetadata: {arn: a}, conditions: [{type: ACK.ResourceSynced, status: "True", message: Resource synced successfully}]}`, "healthy"}}},
	{"rds.services.k8s.aws/v1alpha1", "DBInstance", []a{
		{"it is on its way", `status: {dbInstanceStatus: creating, conditions: [{type: ACK.ResourceSynced, status: "False", message: "DB Instance in 'creating' state, cannot be modified until 'available'."}]}`, "progressing"},
		{"it is in trouble", `status: {conditions: [{type: ACK.Terminal, status: "True", message: "InvalidParameterValue: x"},{type: ACK.ResourceSynced, status: "True"}]}`, "unhealthy"},
		{"it is in trouble, in another way", `status: {conditions: [{type: ACK.Recoverable, status: "True", message: "AccessDenied: x"},{type: ACK.ResourceSynced, status: Unknown, reason: "x"}]}`, "unhealthy"},
		{"it is up", `status: {dbInstanceStatus: available, conditions: [{type: ACK.ResourceSynced, status: "True"},{type: ACK.LateInitialized, status: "True", message: Late initialization successful}]}`, "healthy"},
	}},
	{"eks.services.k8s.aws/v1alpha1", "Nodegroup", []a{{"it is in trouble", `status: {status: CREATE_FAILED, conditions: [{type: ACK.ResourceSynced, status: "False"}]}`, "unhealthy"}}},
	{"sql.cnrm.cloud.google.com/v1beta1", "SQLInstance", []a{
		{"it is up", `metadata: {generation: 2}, status: {observedGeneration: 2, conditions: [{type: Ready, status: "True", reason: UpToDate, message: The resource is up to date}]}`, "healthy"},
		{"it is on its way", `metadata: {generation: 2}, status: {observedGeneration: 2, conditions: [{type: Ready, status: "False", reason: Updating, message: Update in progress}]}`, "progressing"},
		{"it is in trouble", `metadata: {generation: 2}, status: {observedGeneration: 2, conditions: [{type: Ready, status: "False", reason: UpdateFailed, message: "Update call failed: 403"}]}`, "unhealthy"},
	}},
	{"pubsub.cnrm.cloud.google.com/v1beta1", "PubSubTopic", []a{
		{"it is on its way", `metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: DependencyNotReady, message: reference Project p is not ready}]}`, "progressing"},
		{"it is in trouble", `metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Ready, status: "False", reason: DependencyInvalid, message: x}]}`, "unhealthy"},
	}},
	{"storage.azure.com/v1api20230101", "StorageAccount", []a{
		{"it is up", `metadata: {generation: 1}, status: {provisioningState: Succeeded, conditions: [{type: Ready, status: "True", reason: Succeeded, observedGeneration: 1}]}`, "healthy"},
		{"it is on its way", `metadata: {generation: 1}, status: {conditions: [{type: Ready, status: "False", reason: Reconciling, severity: Info, message: "The resource is in the process of being reconciled by the operator", observedGeneration: 1}]}`, "progressing"},
		{"it is in trouble", `metadata: {generation: 1}, status: {conditions: [{type: Ready, status: "False", reason: StorageAccountAlreadyTaken, severity: Error, message: "The storage account named x is already taken.", observedGeneration: 1}]}`, "unhealthy"},
	}},
	{"resources.azure.com/v1api20200601", "ResourceGroup", []a{{"it is in trouble", `metadata: {generation: 1}, status: {conditions: [{type: Ready, status: "False", reason: AzureResourceNotFound, severity: Warning, observedGeneration: 1}]}`, "unhealthy"}}},
	{"tinkerbell.org/v1alpha1", "Hardware", []a{{"it is up", `status: {state: ready}`, "healthy"}}},
	{"tinkerbell.org/v1alpha1", "Workflow", []a{
		{"it is on its way", `status: {state: STATE_RUNNING, currentAction: stream}`, "progressing"},
		{"it is up", `status: {state: STATE_SUCCESS}`, "healthy"},
		{"it is in trouble", `status: {state: STATE_FAILED}`, "unhealthy"},
		{"it is in trouble, in another way", `status: {state: STATE_TIMEOUT}`, "unhealthy"},
	}},
	{"bmc.tinkerbell.org/v1alpha1", "Machine", []a{
		{"it is up", `status: {powerState: "on", conditions: [{type: Contactable, status: "True"}]}`, "healthy"},
		{"it is in trouble", `status: {powerState: unknown, conditions: [{type: Contactable, status: "False", message: "failed to connect to bmc"}]}`, "unhealthy"},
	}},
	{"kueue.x-k8s.io/v1beta1", "ClusterQueue", []a{
		{"it is up", `status: {pendingWorkloads: 0, conditions: [{type: Active, status: "True", reason: Ready, message: Can admit new workloads}]}`, "healthy"},
		{"it is in trouble", `status: {conditions: [{type: Active, status: "False", reason: FlavorNotFound, message: "Can't admit new workloads: FlavorNotFound"}]}`, "unhealthy"},
	}},
	{"kueue.x-k8s.io/v1beta1", "LocalQueue", []a{{"it is up", `status: {conditions: [{type: Active, status: "True", reason: Ready}], pendingWorkloads: 2}`, "healthy"}}},
	{"kueue.x-k8s.io/v1beta1", "AdmissionCheck", []a{{"it is in trouble", `status: {conditions: [{type: Active, status: "False", reason: BadParametersRef, message: x}]}`, "unhealthy"}}},
	{"kueue.x-k8s.io/v1beta1", "Workload", []a{
		{"it is on its way", `status: {conditions: [{type: QuotaReserved, status: "False", reason: Pending, message: "couldn't assign flavors"}]}`, "progressing"},
		{"it is up", `status: {conditions: [{type: QuotaReserved, status: "True"},{type: Admitted, status: "True"},{type: Finished, status: "True", reason: Succeeded, message: Job finished successfully}]}`, "healthy"},
	}},
	{"scheduling.volcano.sh/v1beta1", "Queue", []a{{"it is up", `status: {state: Open, reservation: {}, running: 1}`, "healthy"}}},
	{"batch.volcano.sh/v1alpha1", "Job", []a{
		{"it is on its way", `status: {state: {phase: Running}, minAvailable: 1, running: 1}`, "progressing"},
		{"it is up", `status: {state: {phase: Completed}, succeeded: 1}`, "healthy"},
		{"it failed", `status: {state: {phase: Aborted}, failed: 1}`, "failed"},
	}},
	{"ray.io/v1", "RayService", []a{
		{"it is up", `status: {serviceStatus: Running, numServeEndpoints: 2, conditions: [{type: Ready, status: "True", reason: NonZeroServeEndpoints},{type: UpgradeInProgress, status: "False", reason: NoPendingCluster}]}`, "healthy"},
		{"it is on its way", `status: {serviceStatus: "", conditions: [{type: Ready, status: "False", reason: Initializing},{type: UpgradeInProgress, status: "False"}]}`, "progressing"},
	}},
	{"ray.io/v1", "RayJob", []a{
		{"it is on its way", `status: {jobStatus: RUNNING, jobDeploymentStatus: Running}`, "progressing"},
		{"it is up", `status: {jobStatus: SUCCEEDED, jobDeploymentStatus: Complete}`, "healthy"},
		{"it is in trouble", `status: {jobStatus: FAILED, jobDeploymentStatus: Failed, reason: AppFailed}`, "unhealthy"},
	}},
	{"kubeflow.org/v1", "Notebook", []a{{"it is up", `status: {readyReplicas: 1, containerState: {running: {startedAt: x}}, conditions: [{type: Initialized, status: "True"},{type: Ready, status: "True"},{type: ContainersReady, status: "True"},{type: PodScheduled, status: "True"}]}`, "healthy"}}},
	{"kubeflow.org/v1", "PyTorchJob", []a{
		{"it is on its way", `status: {conditions: [{type: Created, status: "True", reason: PyTorchJobCreated},{type: Running, status: "True", reason: PyTorchJobRunning}]}`, "progressing"},
		{"it is up", `status: {conditions: [{type: Created, status: "True"},{type: Running, status: "False"},{type: Succeeded, status: "True", reason: PyTorchJobSucceeded}]}`, "healthy"},
	}},
	{"kubeflow.org/v1", "TFJob", []a{{"it failed", `status: {conditions: [{type: Created, status: "True"},{type: Running, status: "False"},{type: Failed, status: "True", reason: TFJobFailed}]}`, "failed"}}},
	{"kubeflow.org/v1beta1", "Experiment", []a{
		{"it is on its way", `status: {conditions: [{type: Created, status: "True"},{type: Running, status: "True"}], trialsRunning: 3}`, "progressing"},
		{"it is up", `status: {conditions: [{type: Created, status: "True"},{type: Running, status: "False"},{type: Succeeded, status: "True"}]}`, "healthy"},
	}},
	{"operators.coreos.com/v1alpha1", "ClusterServiceVersion", []a{{"it is up", `status: {phase: Succeeded, reason: InstallSucceeded, conditions: [{phase: Pending, reason: RequirementsUnknown},{phase: Succeeded, reason: InstallSucceeded}]}`, "healthy"}}},
	{"operators.coreos.com/v1alpha1", "CatalogSource", []a{
		{"it is up", `status: {connectionState: {lastObservedState: READY}}`, "healthy"},
		{"it is on its way", `status: {connectionState: {lastObservedState: CONNECTING}}`, "progressing"},
	}},
	{"olm.operatorframework.io/v1", "ClusterExtension", []a{{"it is up", `metadata: {generation: 1}, status: {conditions: [{type: Deprecated, status: "False", observedGeneration: 1},{type: Installed, status: "True", reason: Succeeded, observedGeneration: 1},{type: Progressing, status: "True", reason: Succeeded, message: desired state reached, observedGeneration: 1}], install: {bundle: {}}}`, "healthy"}}},
	{"olm.operatorframework.io/v1", "ClusterCatalog", []a{{"it is up", `metadata: {generation: 1}, status: {conditions: [{type: Progressing, status: "True", reason: Succeeded, message: Successfully unpacked and stored content, observedGeneration: 1},{type: Serving, status: "True", reason: Available, observedGeneration: 1}]}`, "healthy"}}},
	{"gateway.networking.k8s.io/v1alpha3", "BackendTLSPolicy", []a{
		{"it is up", `metadata: {generation: 1}, status: {ancestors: [{ancestorRef: {name: g}, controllerName: a, conditions: [{type: Accepted, status: "True", reason: Accepted, observedGeneration: 1},{type: ResolvedRefs, status: "True", observedGeneration: 1}]}]}`, "healthy"},
		{"it is in trouble", `metadata: {generation: 1}, status: {ancestors: [{ancestorRef: {name: g}, controllerName: a, conditions: [{type: Accepted, status: "False", reason: Invalid, observedGeneration: 1}]}]}`, "unhealthy"},
	}},
	{"gateway.envoyproxy.io/v1alpha1", "SecurityPolicy", []a{{"it is in trouble", `metadata: {generation: 1}, status: {ancestors: [{ancestorRef: {name: g}, controllerName: a, conditions: [{type: Accepted, status: "False", reason: Conflicted, message: x, observedGeneration: 1}]}]}`, "unhealthy"}}},
	{"gateway.envoyproxy.io/v1alpha1", "BackendTrafficPolicy", []a{{"it is up", `metadata: {generation: 1}, status: {ancestors: [{ancestorRef: {name: g}, controllerName: a, conditions: [{type: Accepted, status: "True", observedGeneration: 1},{type: Overridden, status: "True", reason: Overridden, message: "overridden by route policies", observedGeneration: 1}]}]}`, "healthy"}}},
	{"submariner.io/v1alpha1", "Gateway", []a{{"it is up", `status: {haStatus: active, statusFailure: "", connections: [{status: connected}]}`, "healthy"}}},
	{"kubevirt.io/v1", "KubeVirt", []a{{"it is on its way", `metadata: {generation: 1}, status: {observedGeneration: 1, phase: Deploying, conditions: [{type: Available, status: "False", reason: DeploymentInProgress},{type: Progressing, status: "True"},{type: Degraded, status: "False"}]}`, "progressing"}}},
	{"cdi.kubevirt.io/v1beta1", "CDI", []a{
		{"it is up", `metadata: {generation: 1}, status: {phase: Deployed, conditions: [{type: Available, status: "True"},{type: Progressing, status: "False"},{type: Degraded, status: "False"}], observedVersion: v1}`, "healthy"},
		{"it is in trouble", `status: {phase: Error, conditions: [{type: Available, status: "False"},{type: Degraded, status: "True"}]}`, "unhealthy"},
	}},
	{"cdi.kubevirt.io/v1beta1", "DataVolume", []a{
		{"it is on its way", `status: {phase: ImportInProgress, progress: 12.5%, conditions: [{type: Bound, status: "True", reason: Bound},{type: Ready, status: "False", reason: TransferRunning},{type: Running, status: "True", reason: Pod is running}]}`, "progressing"},
		{"it is up", `status: {phase: Succeeded, progress: 100.0%, conditions: [{type: Bound, status: "True"},{type: Ready, status: "True"},{type: Running, status: "False", reason: Completed}]}`, "healthy"},
		{"it is in trouble", `status: {phase: ImportInProgress, restartCount: 5, conditions: [{type: Bound, status: "True"},{type: Ready, status: "False", reason: Error},{type: Running, status: "False", reason: Error, message: "Unable to connect to http data source: 404"}]}`, "unhealthy"},
	}},
	{"kubevirt.io/v1", "VirtualMachineInstance", []a{{"it is on its way", `status: {phase: Scheduling, conditions: [{type: Ready, status: "False", reason: GuestNotRunning}]}`, "progressing"}}},
	{"nmstate.io/v1", "NodeNetworkConfigurationPolicy", []a{{"it is up", `status: {conditions: [{type: Available, status: "True", reason: SuccessfullyConfigured},{type: Degraded, status: "False", reason: SuccessfullyConfigured},{type: Progressing, status: "False", reason: ConfigurationProgressing},{type: Ignored, status: "False"}]}`, "healthy"}}},
	{"nmstate.io/v1beta1", "NodeNetworkConfigurationEnactment", []a{
		{"it is in trouble", `status: {conditions: [{type: Failing, status: "True", reason: FailedToConfigure, message: x},{type: Available, status: "False"},{type: Progressing, status: "False"},{type: Pending, status: "False"},{type: Aborted, status: "False"}]}`, "unhealthy"},
		{"it is in trouble, in another way", `status: {conditions: [{type: Failing, status: "False"},{type: Available, status: "False"},{type: Progressing, status: "False"},{type: Pending, status: "False"},{type: Aborted, status: "True", reason: ConfigurationAborted}]}`, "unhealthy"},
	}},
	{"sriovnetwork.openshift.io/v1", "SriovNetworkNodeState", []a{
		{"it is up", `status: {syncStatus: Succeeded, interfaces: []}`, "healthy"},
		{"it is on its way", `status: {syncStatus: InProgress}`, "progressing"},
		{"it is in trouble", `status: {syncStatus: Failed, lastSyncError: "no vf"}`, "unhealthy"},
	}},
	{"metallb.io/v1beta1", "MetalLB", []a{{"it is up", `status: {conditions: [{type: Available, status: "True"},{type: Progressing, status: "False"},{type: Degraded, status: "False"},{type: Upgradeable, status: "True"}]}`, "healthy"}}},
	{"hazelcast.com/v1alpha1", "Hazelcast", []a{
		{"it is on its way", `status: {phase: Pending, hazelcastClusterStatus: {readyMembers: 1/3}}`, "progressing"},
		{"it is up", `status: {phase: Running, hazelcastClusterStatus: {readyMembers: 3/3}}`, "healthy"},
	}},
	{"infinispan.org/v1", "Infinispan", []a{
		{"it is up", `status: {conditions: [{type: PreliminaryChecksPassed, status: "True"},{type: WellFormed, status: "True", message: "View: a,b"}]}`, "healthy"},
		{"it is on its way", `status: {conditions: [{type: PreliminaryChecksPassed, status: "True"},{type: WellFormed, status: "Unknown", message: "pods not ready"}]}`, "progressing"},
	}},
	{"mysql.oracle.com/v2", "InnoDBCluster", []a{
		{"it is up", `status: {cluster: {status: ONLINE, onlineInstances: 3, lastProbeTime: x}, createTime: x}`, "healthy"},
		{"it is on its way", `status: {cluster: {status: INITIALIZING, onlineInstances: 0}}`, "progressing"},
		{"it is in trouble", `status: {cluster: {status: OFFLINE, onlineInstances: 0}}`, "unhealthy"},
		{"it is in trouble, in another way", `status: {cluster: {status: NO_QUORUM, onlineInstances: 1}}`, "unhealthy"},
	}},
	{"planetscale.com/v2", "VitessCluster", []a{{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1, gatewayServiceName: a, vitessDashboard: {available: "True"}}`, "healthy"}}},
	{"pingcap.com/v1alpha1", "TidbCluster", []a{{"it is on its way", `status: {conditions: [{type: Ready, status: "False", reason: StatfulSetNotUpToDate, message: Statefulset(s) are in progress}]}`, "progressing"}}},
	{"apps.emqx.io/v2beta1", "EMQX", []a{{"it is up", `status: {conditions: [{type: Ready, status: "True"},{type: Available, status: "True"},{type: CoreNodesReady, status: "True"}]}`, "healthy"}}},
	{"camel.apache.org/v1", "Integration", []a{
		{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1, phase: Running, conditions: [{type: Ready, status: "True"},{type: IntegrationKitAvailable, status: "True"},{type: CronJobAvailable, status: "False", reason: CronJobNotAvailableReason}]}`, "healthy"},
		{"it is on its way", `metadata: {generation: 1}, status: {observedGeneration: 1, phase: Building Kit, conditions: []}`, "progressing"},
		{"it failed", `metadata: {generation: 1}, status: {observedGeneration: 1, phase: Error, conditions: [{type: Ready, status: "False", reason: Error}]}`, "failed"},
	}},
	{"neo4j.com/v1", "Neo4jEnterpriseCluster", []a{{"it is on its way", `status: {phase: Forming, conditions: [{type: Ready, status: "False", reason: ClusterForming}]}`, "progressing"}}},
	{"arangodb.com/v1", "ArangoDeployment", []a{{"it is up", `status: {phase: Running, conditions: [{type: Ready, status: "True"},{type: UpToDate, status: "True"}]}`, "healthy"}}},
	{"couchbase.com/v2", "CouchbaseCluster", []a{
		{"it is up", `status: {controlPaused: false, size: 3, conditions: [{type: Available, status: "True", reason: Available},{type: Balanced, status: "True", reason: Balanced}]}`, "healthy"},
		{"it is on its way", `status: {size: 1, conditions: [{type: Available, status: "False", reason: Creating},{type: Balanced, status: "Unknown"},{type: Scaling, status: "True"}]}`, "progressing"},
	}},
	{"nvidia.com/v1", "ClusterPolicy", []a{
		{"it is up", `status: {state: ready, namespace: gpu, conditions: [{type: Ready, status: "True", reason: Reconciled},{type: Error, status: "False"}]}`, "healthy"},
		{"it is on its way", `status: {state: notReady, conditions: [{type: Ready, status: "False", reason: OperandNotReady, message: "ClusterPolicy is not ready, states not ready: [state-driver]"},{type: Error, status: "False"}]}`, "progressing"},
	}},
	{"nfd.openshift.io/v1", "NodeFeatureDiscovery", []a{{"it is up", `status: {conditions: [{type: Available, status: "True"},{type: Upgradeable, status: "True"},{type: Progressing, status: "False"},{type: Degraded, status: "False"}]}`, "healthy"}}},
	{"hive.openshift.io/v1", "ClusterDeployment", []a{{"it is on its way", `status: {conditions: [{type: Provisioned, status: "False", reason: Provisioning},{type: ProvisionFailed, status: "False"},{type: Unreachable, status: "Unknown"}]}`, "progressing"}}},
	{"trust.cert-manager.io/v1alpha1", "Bundle", []a{{"it is up", `metadata: {generation: 1}, status: {conditions: [{type: Synced, status: "True", reason: Synced, observedGeneration: 1}]}`, "healthy"}}},
	{"infra.contrib.fluxcd.io/v1alpha2", "Terraform", []a{{"it is in trouble", `metadata: {generation: 1}, status: {observedGeneration: 1, conditions: [{type: Apply, status: "False", reason: TFExecApplyFailed},{type: Ready, status: "False", reason: TFExecApplyFailed, message: x}]}`, "unhealthy"}}},
	{"app.terraform.io/v1alpha2", "Workspace", []a{
		{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1, workspaceID: ws, runStatus: applied, runID: r}`, "healthy"},
		{"it is in trouble", `metadata: {generation: 1}, status: {observedGeneration: 1, workspaceID: ws, runStatus: errored, runID: r}`, "unhealthy"},
	}},
	{"pulumi.com/v1", "Stack", []a{{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1, lastUpdate: {state: succeeded}, conditions: [{type: Ready, status: "True", reason: ProcessingCompleted}]}`, "healthy"}}},
	{"postgresql.k8s.enterprisedb.io/v1", "Cluster", []a{{"it is up", `status: {phase: Cluster in healthy state, conditions: [{type: Ready, status: "True"}]}`, "healthy"}}},
	{"postgres-operator.crunchydata.com/v1beta1", "PGAdmin", []a{{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1, majorVersion: 8}`, "healthy"}}},
	{"external-dns.io/v1alpha1", "DNSEndpoint", []a{{"it is up", `metadata: {generation: 1}, status: {observedGeneration: 1}`, "healthy"}}},
	{"networking.gke.io/v1", "ManagedCertificate", []a{
		{"it is on its way", `status: {certificateStatus: Provisioning, domainStatus: [{domain: a, status: Provisioning}]}`, "progressing"},
		{"it is in trouble", `status: {certificateStatus: ProvisioningFailed, domainStatus: [{domain: a, status: FailedNotVisible}]}`, "unhealthy"},
	}},
	{"litmuschaos.io/v1alpha1", "ChaosEngine", []a{{"it is up", `status: {engineStatus: completed, experiments: [{name: a, status: Completed, verdict: Pass}]}`, "healthy"}}},
	{"kafka.banzaicloud.io/v1beta1", "KafkaCluster", []a{
		{"it is up", `status: {state: ClusterRunning, alertCount: 0, cruiseControlTopicStatus: CruiseControlTopicReady}`, "healthy"},
		{"it is on its way", `status: {state: ClusterReconciling, alertCount: 0}`, "progressing"},
	}},
	{"solr.apache.org/v1beta1", "SolrCloud", []a{{"it is on its way", `status: {replicas: 3, readyReplicas: 1, upToDateNodes: 1}, spec: {replicas: 3}`, "progressing"}}},
	{"opensearch.opster.io/v1", "OpenSearchCluster", []a{
		{"it is up", `status: {phase: RUNNING, health: green, initialized: true, availableNodes: 3, componentsStatus: []}`, "healthy"},
		{"it is in trouble", `status: {phase: RUNNING, health: red, initialized: true}`, "unhealthy"},
	}},
	{"zalando.org/v1", "PlatformCredentialsSet", []a{{"it is up", `status: {observedGeneration: 1, errors: [], problems: []}`, "healthy"}}},
	{"cache.example.com/v1", "Memcached", []a{
		{"it is in trouble", `status: {conditions: [{type: Available, status: "False", reason: Reconciling, message: "Failed to create Deployment for the custom resource"}]}`, "unhealthy"},
		{"it is on its way", `status: {conditions: [{type: Available, status: Unknown, reason: Reconciling, message: Starting reconciliation}]}`, "progressing"},
	}},
}
