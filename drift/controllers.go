package drift

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// control is a field that a chart sets and a controller then has for itself: while the
// controller's manager owns it, its value is no drift.
type control struct {
	group, kind string // globs, several with commas
	path        string // a JSON pointer; * in it is any element, or any part of a key
	managers    string // globs of field managers, with commas
	why         string
}

// anybody stands for all managers but people's: what fills a field in that charts leave
// empty, or set to what does not count.
const anybody = "*"

// controls are the fields of well-known controllers. What webhooks put into an object
// while it is applied (sidecars of Linkerd, Istio and Vault, mutations of Kyverno and
// Gatekeeper) needs no row: they do it in the dry-run too that drift is judged by. Nor
// does what is only added to an object: server-side apply leaves it alone.
var controls = []control{
	{"", "Service", "/spec/selector", "rollouts-controller*,argo-rollouts*,flagger*", "Argo Rollouts and Flagger point a Service at the pods of one revision"},
	{"networking.istio.io", "VirtualService", "/spec/http", "rollouts-controller*,argo-rollouts*,flagger*", "a canary's weights are its controller's"},
	{"networking.istio.io", "VirtualService", "/spec/tcp", "rollouts-controller*,argo-rollouts*", "a canary's weights are its controller's"},
	{"networking.istio.io", "VirtualService", "/spec/tls", "rollouts-controller*,argo-rollouts*", "a canary's weights are its controller's"},
	{"networking.istio.io", "DestinationRule", "/spec/subsets", "rollouts-controller*,argo-rollouts*", "Argo Rollouts labels a canary's subsets by revision"},
	{"gateway.networking.k8s.io", "HTTPRoute,GRPCRoute,TCPRoute,TLSRoute", "/spec/rules", "rollouts-controller*,argo-rollouts*,gatewayapi*,flagger*", "a canary's weights are its controller's"},
	{"split.smi-spec.io", "TrafficSplit", "/spec/backends", "rollouts-controller*,argo-rollouts*,flagger*", "a canary's weights are its controller's"},
	{"traefik.io,traefik.containo.us", "TraefikService", "/spec/weighted", "rollouts-controller*,argo-rollouts*,traefik*,flagger*", "a canary's weights are its controller's"},
	{"projectcontour.io", "HTTPProxy", "/spec/routes", "rollouts-controller*,argo-rollouts*,contour*,flagger*", "a canary's weights are its controller's"},
	{"networking.k8s.io", "Ingress", "/metadata/annotations/*.ingress.kubernetes.io~1*", "rollouts-controller*,argo-rollouts*,flagger*", "a canary on an Ingress is steered by annotations"},
	{"networking.k8s.io", "Ingress", "/spec/rules", "rollouts-controller*,argo-rollouts*,flagger*", "a canary's backends are its controller's"},
	{"apps", "Deployment,StatefulSet,ReplicaSet", "/spec/replicas", "flagger*,rollouts-controller*,argo-rollouts*,keda*", "Flagger and Argo Rollouts scale down what they took over, KEDA what is idle"},
	{"apps", "DaemonSet", "/spec/template/spec/nodeSelector", "flagger*", "Flagger parks the canary of a DaemonSet by its node selector"},
	{"argoproj.io", "Rollout", "/spec/replicas", "keda*,kube-controller-manager", "autoscalers own the replicas of what they target"},
	{"cluster.x-k8s.io", "MachineDeployment,MachineSet,MachinePool", "/spec/replicas", "cluster-autoscaler*,keda*,kube-controller-manager", "an autoscaler of nodes owns the replicas of what it targets"},
	{"apps.kruise.io", "CloneSet,StatefulSet,UnitedDeployment", "/spec/replicas", "keda*,kube-controller-manager", "autoscalers own the replicas of what they target"},
	{"serving.knative.dev", "Service", "/spec/traffic", "flagger*", "a canary's weights are its controller's"},
	{"appmesh.k8s.aws", "VirtualRouter,VirtualNode", "/spec", "rollouts-controller*,argo-rollouts*,flagger*", "a canary's weights are its controller's"},
	{"apisix.apache.org", "ApisixRoute", "/spec/http", "rollouts-controller*,argo-rollouts*,flagger*", "a canary's weights are its controller's"},
	{"autoscaling", "HorizontalPodAutoscaler", "/spec/minReplicas", "keda*", "KEDA writes the autoscalers of its ScaledObjects"},
	{"autoscaling", "HorizontalPodAutoscaler", "/spec/maxReplicas", "keda*", "KEDA writes the autoscalers of its ScaledObjects"},
	{"autoscaling", "HorizontalPodAutoscaler", "/spec/metrics", "keda*", "KEDA writes the autoscalers of its ScaledObjects"},
	{"apps", "Deployment,StatefulSet,DaemonSet", "/spec/template/spec/containers/*/resources", "vpa-*,updater,admission-controller,goldilocks*", "a VerticalPodAutoscaler's recommendations"},
	{"admissionregistration.k8s.io", "ValidatingWebhookConfiguration,MutatingWebhookConfiguration", "/webhooks/*/clientConfig/caBundle", anybody, "cert-manager's and other injectors' authorities"},
	{"apiregistration.k8s.io", "APIService", "/spec/caBundle", anybody, "cert-manager's and other injectors' authorities"},
	{"apiextensions.k8s.io", "CustomResourceDefinition", "/spec/conversion/webhook/clientConfig/caBundle", anybody, "cert-manager's and other injectors' authorities"},
	{"*.crossplane.io,*.upbound.io", "*", "/spec/forProvider", "crossplane*,provider*,upjet*,managed.crossplane.io*", "Crossplane fills in what the cloud chose (late initialisation)"},
	{"*.crossplane.io,*.upbound.io", "*", "/spec/initProvider", "crossplane*,provider*,upjet*,managed.crossplane.io*", "Crossplane fills in what the cloud chose (late initialisation)"},
}

// injectors are annotations that have a certificate put in by somebody, whoever that is.
var injectors = []string{
	"cert-manager.io/inject-ca-from", "cert-manager.io/inject-ca-from-secret", "cert-manager.io/inject-apiserver-ca",
	"certmanager.k8s.io/inject-ca-from", "service.beta.openshift.io/inject-cabundle",
}

func asksForInjection(u *unstructured.Unstructured) bool {
	annotations := u.GetAnnotations()
	return slices.ContainsFunc(injectors, func(a string) bool { return annotations[a] != "" })
}

// Controlled returns JSON pointers to the fields of an object to be applied that a
// controller owns in the cluster and has for itself.
func Controlled(want, live *unstructured.Unstructured, self string) []string {
	if live == nil {
		return nil
	}
	var out []string
	var all owners
	for _, c := range controlsOf(want) {
		if all == nil {
			all = othersOf(live, self)
		}
		for _, p := range expand(want.Object, parsePointer(c.path)) {
			steps := stepsOf(want, p)
			whoever := c.managers == anybody && asksForInjection(want)
			if slices.ContainsFunc(all, func(o owner) bool { return (whoever || c.by(o.manager)) && len(steps) > 0 && owns(o.set, steps) }) {
				out = append(out, pointerText(p))
			}
		}
	}
	return out
}

// FilledIn returns JSON pointers to the fields of an object's kind that charts leave empty for
// somebody else to fill in, whoever that is; * in one is any element of a list.
func FilledIn(u *unstructured.Unstructured) []string {
	var out []string
	for _, c := range controlsOf(u) {
		if c.managers == anybody {
			out = append(out, c.path)
		}
	}
	return out
}

// MayBeControlled reports whether there are rows for an object's kind.
func MayBeControlled(u *unstructured.Unstructured) bool { return len(controlsOf(u)) > 0 }

func controlsOf(u *unstructured.Unstructured) []control {
	var out []control
	gvk := u.GroupVersionKind()
	for _, c := range controls {
		if anyGlob(c.group, gvk.Group) && anyGlob(c.kind, gvk.Kind) {
			out = append(out, c)
		}
	}
	return out
}

func (c control) by(manager string) bool {
	if c.managers == anybody {
		return manager != "" && !strings.HasPrefix(manager, "kubectl") && manager != "helm" && manager != "Helm"
	}
	return anyGlob(c.managers, manager)
}

func anyGlob(globs, s string) bool {
	return slices.ContainsFunc(strings.Split(globs, ","), func(g string) bool {
		ok, err := path.Match(g, s)
		return ok && err == nil
	})
}

// expand returns what a pattern leads to in a value.
func expand(v any, pattern []string) [][]string {
	if len(pattern) == 0 {
		return [][]string{nil}
	}
	var out [][]string
	into := func(part string, below any) {
		for _, rest := range expand(below, pattern[1:]) {
			out = append(out, append([]string{part}, rest...))
		}
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range keysOf(v, nil) {
			// A slash in a key is no separator: the pattern's is one for none.
			if anyGlob(strings.ReplaceAll(pattern[0], "/", "|"), strings.ReplaceAll(k, "/", "|")) {
				into(k, v[k])
			}
		}
	case []any:
		for i, e := range v {
			if pattern[0] == "*" || pattern[0] == strconv.Itoa(i) {
				into(strconv.Itoa(i), e)
			}
		}
	}
	return out
}

// stepsOf is a pointer as steps, which find list elements by their name.
func stepsOf(u *unstructured.Unstructured, pointer []string) []step {
	var out []step
	at := presence(u.Object)
	for _, part := range pointer {
		s, ok := stepIn(at.value, part)
		if !ok {
			return nil
		}
		out, at = append(out, s), at.under(s)
	}
	return out
}
