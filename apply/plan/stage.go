package plan

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Stage is an object's place in the order within its release: nothing starts
// before what it needs. Objects of one stage are applied side by side; deletion
// walks the stages backwards.
//
// The order is Helm's InstallOrder (helm.sh/helm/v3/pkg/releaseutil), folded
// where its finer steps don't start anything: a ConfigMap and a Role may come in
// any order, a Deployment must come after both.
type Stage int

// The stages.
const (
	StageDefinitions Stage = iota // CRDs, until established
	StageSpaces                   // namespaces and what limits them
	StageNeeds                    // what workloads refer to
	StageBindings                 // who may do what: a binding is checked against its role
	StageWorkloads                // what runs
	StageRoutes                   // what leads to what runs, and custom resources
	StageWebhooks                 // what could refuse all the others
	Stages                        // how many there are
)

var stageNames = [Stages]string{"definitions", "namespaces", "needs", "bindings", "workloads", "routes", "webhooks"}

// String returns the stage's name.
func (s Stage) String() string { return stageNames[s] }

var stageOfKind = map[schema.GroupKind]Stage{
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: StageDefinitions,

	{Kind: "Namespace"}: StageSpaces,
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"}: StageSpaces,
	{Kind: "ResourceQuota"}:                             StageSpaces,
	{Kind: "LimitRange"}:                                StageSpaces,

	{Group: "networking.k8s.io", Kind: "NetworkPolicy"}:              StageNeeds,
	{Group: "policy", Kind: "PodDisruptionBudget"}:                   StageNeeds,
	{Kind: "ServiceAccount"}:                                         StageNeeds,
	{Kind: "Secret"}:                                                 StageNeeds,
	{Kind: "ConfigMap"}:                                              StageNeeds,
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                  StageNeeds,
	{Group: "storage.k8s.io", Kind: "CSIDriver"}:                     StageNeeds,
	{Kind: "PersistentVolume"}:                                       StageNeeds,
	{Kind: "PersistentVolumeClaim"}:                                  StageNeeds,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}:        StageNeeds,
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: StageBindings,
	{Group: "rbac.authorization.k8s.io", Kind: "Role"}:               StageNeeds,
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        StageBindings,
	{Kind: "Service"}:                                                StageNeeds,
	{Kind: "Endpoints"}:                                              StageNeeds,
	{Group: "discovery.k8s.io", Kind: "EndpointSlice"}:               StageNeeds,
	{Group: "networking.k8s.io", Kind: "IngressClass"}:               StageNeeds,
	{Group: "gateway.networking.k8s.io", Kind: "GatewayClass"}:       StageNeeds,

	{Kind: "Pod"}:                                           StageWorkloads,
	{Kind: "ReplicationController"}:                         StageWorkloads,
	{Group: "apps", Kind: "DaemonSet"}:                      StageWorkloads,
	{Group: "apps", Kind: "ReplicaSet"}:                     StageWorkloads,
	{Group: "apps", Kind: "Deployment"}:                     StageWorkloads,
	{Group: "apps", Kind: "StatefulSet"}:                    StageWorkloads,
	{Group: "batch", Kind: "Job"}:                           StageWorkloads,
	{Group: "batch", Kind: "CronJob"}:                       StageWorkloads,
	{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}: StageRoutes,

	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"}:     StageWebhooks,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"}:   StageWebhooks,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"}:        StageWebhooks,
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"}: StageWebhooks,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"}:          StageWebhooks,
	{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicyBinding"}:   StageWebhooks,
}

// StageOf returns the stage of a kind. A kind that is not known, so every custom
// resource, comes after the workloads: its operator may be one of them.
func StageOf(gk schema.GroupKind) Stage {
	if s, ok := stageOfKind[gk]; ok {
		return s
	}
	return StageRoutes
}
