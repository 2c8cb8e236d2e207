package health

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// quietGroups are API groups of whose kinds nobody says anything, beside Kubernetes'
// own. They count only where it is not known whether a kind has a status.
var quietGroups = map[string]bool{
	"metrics.k8s.io": true, "traefik.io": true, "traefik.containo.us": true, "templates.gatekeeper.sh": false,
	"config.istio.io": true, "authentication.istio.io": true, "rbac.istio.io": true, "getambassador.io": false,
	"helm.cattle.io": false, "policy.linkerd.io": false, "linkerd.io": true, "split.smi-spec.io": true, "specs.smi-spec.io": true, "access.smi-spec.io": true,
	"networking.istio.io": true, "security.istio.io": true, "telemetry.istio.io": true, "extensions.istio.io": true,
	"dapr.io": true, "mutations.gatekeeper.sh": false, "secrets-store.csi.x-k8s.io": true,
}

// quietKinds are single kinds of groups that otherwise speak.
var quietKinds = map[schema.GroupKind]bool{
	gk("monitoring.coreos.com", "ServiceMonitor"): true, gk("monitoring.coreos.com", "PodMonitor"): true, gk("monitoring.coreos.com", "Probe"): true,
	gk("monitoring.coreos.com", "PrometheusRule"): true, gk("monitoring.coreos.com", "AlertmanagerConfig"): true, gk("monitoring.coreos.com", "ScrapeConfig"): true,
	gk("keda.sh", "TriggerAuthentication"): true, gk("keda.sh", "ClusterTriggerAuthentication"): true,
	gk("argoproj.io", "AppProject"): true, gk("argoproj.io", "AnalysisTemplate"): true, gk("argoproj.io", "ClusterAnalysisTemplate"): true,
	gk("argoproj.io", "WorkflowTemplate"): true, gk("argoproj.io", "ClusterWorkflowTemplate"): true,
	gk("cilium.io", "CiliumNetworkPolicy"): true, gk("cilium.io", "CiliumClusterwideNetworkPolicy"): true,
	gk("tekton.dev", "Task"): true, gk("tekton.dev", "Pipeline"): true, gk("tekton.dev", "ClusterTask"): true,
	gk("triggers.tekton.dev", "TriggerBinding"): true, gk("triggers.tekton.dev", "TriggerTemplate"): true,
	gk("flagger.app", "MetricTemplate"): true, gk("flagger.app", "AlertProvider"): true,
	gk("storage.k8s.io", "StorageClass"): true, gk("snapshot.storage.k8s.io", "VolumeSnapshotClass"): true,
	gk("gateway.networking.k8s.io", "ReferenceGrant"): true, gk("kyverno.io", "PolicyException"): true,
	gk("karpenter.k8s.aws", "AWSNodeTemplate"): true, gk("apiextensions.crossplane.io", "Composition"): true, gk("apiextensions.crossplane.io", "EnvironmentConfig"): true,
	gk("pkg.crossplane.io", "DeploymentRuntimeConfig"): true, gk("pkg.crossplane.io", "ControllerConfig"): true,
	gk("velero.io", "VolumeSnapshotLocation"): true, gk("elbv2.k8s.aws", "IngressClassParams"): true,
	gk("crd.projectcalico.org", "GlobalNetworkPolicy"): true, gk("crd.projectcalico.org", "NetworkPolicy"): true,
	gk("nginx.org", "Policy"): false,
}

// isStatusless reports whether nobody says anything of a kind. Kubernetes' own groups have
// no dot, or end in k8s.io without being somebody's project.
func isStatusless(kind schema.GroupKind) bool {
	if quietKinds[kind] || quietGroups[kind.Group] {
		return true
	}
	if !strings.Contains(kind.Group, ".") {
		return true
	}
	return kubernetesGroups[kind.Group]
}

var kubernetesGroups = map[string]bool{
	"admissionregistration.k8s.io": true, "authentication.k8s.io": true, "authorization.k8s.io": true, "certificates.k8s.io": true, "coordination.k8s.io": true,
	"discovery.k8s.io": true, "events.k8s.io": true, "flowcontrol.apiserver.k8s.io": true, "internal.apiserver.k8s.io": true, "networking.k8s.io": true,
	"node.k8s.io": true, "rbac.authorization.k8s.io": true, "resource.k8s.io": true, "scheduling.k8s.io": true, "storage.k8s.io": true, "storagemigration.k8s.io": true,
}

func gk(group, kind string) schema.GroupKind { return schema.GroupKind{Group: group, Kind: kind} }
