package plan

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The kinds that are treated apart.
var (
	DefinitionKind = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
	QuotaKind      = schema.GroupKind{Kind: "ResourceQuota"}
	PodKind        = schema.GroupKind{Kind: "Pod"}
	JobKind        = schema.GroupKind{Group: "batch", Kind: "Job"}
	ClaimKind      = schema.GroupKind{Kind: "PersistentVolumeClaim"}

	apiServiceKind = schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"}
	accountKind    = schema.GroupKind{Kind: "ServiceAccount"}
	roleKind       = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "Role"}
	groupRoleKind  = schema.GroupKind{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"}
	priorityKind   = schema.GroupKind{Group: "scheduling.k8s.io", Kind: "PriorityClass"}
	runtimeKind    = schema.GroupKind{Group: "node.k8s.io", Kind: "RuntimeClass"}
	serviceKind    = schema.GroupKind{Kind: "Service"}
	disruptionKind = schema.GroupKind{Group: "policy", Kind: "PodDisruptionBudget"}
)
