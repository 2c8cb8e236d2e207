package drift_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/drift"
)

// What a controller set of a chart's field is left to it; the same change by a person
// is put back, and so is one by a controller that is not known for it.
func TestControllersKeepTheirFields(t *testing.T) {
	for sentence, c := range map[string]struct{ object, want, owned, manager, pointer string }{
		"Argo Rollouts points a Service at a revision":     {"v1 Service", `{"spec":{"selector":{"app":"web","rollouts-pod-template-hash":"a"}}}`, `{"f:spec":{"f:selector":{"f:rollouts-pod-template-hash":{}}}}`, "rollouts-controller", "/spec/selector"},
		"Flagger points a Service at the primary":          {"v1 Service", `{"spec":{"selector":{"app":"web"}}}`, `{"f:spec":{"f:selector":{"f:app":{}}}}`, "flagger", "/spec/selector"},
		"Argo Rollouts weighs a VirtualService":            {"networking.istio.io/v1 VirtualService", `{"spec":{"http":[{"route":[{"weight":100}]}]}}`, `{"f:spec":{"f:http":{}}}`, "rollouts-controller", "/spec/http"},
		"Flagger weighs a VirtualService":                  {"networking.istio.io/v1beta1 VirtualService", `{"spec":{"http":[]}}`, `{"f:spec":{"f:http":{}}}`, "flagger", "/spec/http"},
		"Argo Rollouts weighs an HTTPRoute":                {"gateway.networking.k8s.io/v1 HTTPRoute", `{"spec":{"rules":[]}}`, `{"f:spec":{"f:rules":{}}}`, "rollouts-controller", "/spec/rules"},
		"Argo Rollouts steers an Ingress of AWS":           {"networking.k8s.io/v1 Ingress", `{"metadata":{"annotations":{"alb.ingress.kubernetes.io/actions.web":"{}","other":"x"}}}`, `{"f:metadata":{"f:annotations":{"f:alb.ingress.kubernetes.io/actions.web":{}}}}`, "rollouts-controller", "/metadata/annotations/alb.ingress.kubernetes.io~1actions.web"},
		"Flagger scales down what it took over":            {"apps/v1 Deployment", `{"spec":{"replicas":2}}`, `{"f:spec":{"f:replicas":{}}}`, "flagger", "/spec/replicas"},
		"KEDA scales down what is idle":                    {"apps/v1 Deployment", `{"spec":{"replicas":2}}`, `{"f:spec":{"f:replicas":{}}}`, "keda", "/spec/replicas"},
		"KEDA writes an autoscaler":                        {"autoscaling/v2 HorizontalPodAutoscaler", `{"spec":{"maxReplicas":2}}`, `{"f:spec":{"f:maxReplicas":{}}}`, "keda", "/spec/maxReplicas"},
		"an autoscaler sizes a Rollout":                    {"argoproj.io/v1alpha1 Rollout", `{"spec":{"replicas":2}}`, `{"f:spec":{"f:replicas":{}}}`, "kube-controller-manager", "/spec/replicas"},
		"a VerticalPodAutoscaler sets requests":            {"apps/v1 Deployment", `{"spec":{"template":{"spec":{"containers":[{"name":"a"},{"name":"web","resources":{"requests":{"cpu":"1"}}}]}}}}`, `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{"f:resources":{"f:requests":{"f:cpu":{}}}}}}}}}`, "vpa-updater", "/spec/template/spec/containers/1/resources"},
		"cert-manager fills in a webhook's authority":      {"admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration", `{"webhooks":[{"name":"a.example.com","clientConfig":{"caBundle":""}}]}`, `{"f:webhooks":{"k:{\"name\":\"a.example.com\"}":{"f:clientConfig":{"f:caBundle":{}}}}}`, "cert-manager-cainjector", "/webhooks/0/clientConfig/caBundle"},
		"a Job of the chart fills in its authority":        {"admissionregistration.k8s.io/v1 MutatingWebhookConfiguration", `{"webhooks":[{"name":"a.example.com","clientConfig":{"caBundle":"Cg=="}}]}`, `{"f:webhooks":{"k:{\"name\":\"a.example.com\"}":{"f:clientConfig":{"f:caBundle":{}}}}}`, "kube-webhook-certgen", "/webhooks/0/clientConfig/caBundle"},
		"cert-manager fills in an API's authority":         {"apiregistration.k8s.io/v1 APIService", `{"spec":{"caBundle":""}}`, `{"f:spec":{"f:caBundle":{}}}`, "cert-manager-cainjector", "/spec/caBundle"},
		"cert-manager fills in a conversion's authority":   {"apiextensions.k8s.io/v1 CustomResourceDefinition", `{"spec":{"conversion":{"webhook":{"clientConfig":{"caBundle":""}}}}}`, `{"f:spec":{"f:conversion":{"f:webhook":{"f:clientConfig":{"f:caBundle":{}}}}}}`, "cert-manager-cainjector", "/spec/conversion/webhook/clientConfig/caBundle"},
		"Flagger weighs an HTTPRoute":                      {"gateway.networking.k8s.io/v1beta1 HTTPRoute", `{"spec":{"rules":[]}}`, `{"f:spec":{"f:rules":{}}}`, "flagger", "/spec/rules"},
		"Argo Rollouts weighs an HTTPRoute by its plugin":  {"gateway.networking.k8s.io/v1 HTTPRoute", `{"spec":{"rules":[]}}`, `{"f:spec":{"f:rules":{}}}`, "gatewayapi", "/spec/rules"},
		"Argo Rollouts steers an Ingress of nginx":         {"networking.k8s.io/v1 Ingress", `{"metadata":{"annotations":{"nginx.ingress.kubernetes.io/canary-weight":"0"}}}`, `{"f:metadata":{"f:annotations":{"f:nginx.ingress.kubernetes.io/canary-weight":{}}}}`, "rollouts-controller", "/metadata/annotations/nginx.ingress.kubernetes.io~1canary-weight"},
		"Argo Rollouts sets backends of an Ingress":        {"networking.k8s.io/v1 Ingress", `{"spec":{"rules":[]}}`, `{"f:spec":{"f:rules":{}}}`, "rollouts-controller", "/spec/rules"},
		"Argo Rollouts weighs TCP of a VirtualService":     {"networking.istio.io/v1 VirtualService", `{"spec":{"tcp":[]}}`, `{"f:spec":{"f:tcp":{}}}`, "rollouts-controller", "/spec/tcp"},
		"Argo Rollouts weighs TLS of a VirtualService":     {"networking.istio.io/v1 VirtualService", `{"spec":{"tls":[]}}`, `{"f:spec":{"f:tls":{}}}`, "rollouts-controller", "/spec/tls"},
		"Argo Rollouts labels a canary's subsets":          {"networking.istio.io/v1 DestinationRule", `{"spec":{"subsets":[{"name":"canary","labels":{"app":"web"}}]}}`, `{"f:spec":{"f:subsets":{}}}`, "rollouts-controller", "/spec/subsets"},
		"Argo Rollouts weighs a TrafficSplit":              {"split.smi-spec.io/v1alpha2 TrafficSplit", `{"spec":{"backends":[]}}`, `{"f:spec":{"f:backends":{}}}`, "rollouts-controller", "/spec/backends"},
		"Argo Rollouts weighs a TraefikService":            {"traefik.io/v1alpha1 TraefikService", `{"spec":{"weighted":{"services":[]}}}`, `{"f:spec":{"f:weighted":{"f:services":{}}}}`, "rollouts-controller", "/spec/weighted"},
		"Flagger weighs an HTTPProxy":                      {"projectcontour.io/v1 HTTPProxy", `{"spec":{"routes":[]}}`, `{"f:spec":{"f:routes":{}}}`, "flagger", "/spec/routes"},
		"Flagger weighs a Service of Knative":              {"serving.knative.dev/v1 Service", `{"spec":{"traffic":[]}}`, `{"f:spec":{"f:traffic":{}}}`, "flagger", "/spec/traffic"},
		"Argo Rollouts weighs a router of App Mesh":        {"appmesh.k8s.aws/v1beta2 VirtualRouter", `{"spec":{"routes":[]}}`, `{"f:spec":{"f:routes":{}}}`, "rollouts-controller", "/spec"},
		"Argo Rollouts weighs a route of APISIX":           {"apisix.apache.org/v2 ApisixRoute", `{"spec":{"http":[]}}`, `{"f:spec":{"f:http":{}}}`, "rollouts-controller", "/spec/http"},
		"Flagger parks a DaemonSet":                        {"apps/v1 DaemonSet", `{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}}`, `{"f:spec":{"f:template":{"f:spec":{"f:nodeSelector":{"f:a":{}}}}}}`, "flagger", "/spec/template/spec/nodeSelector"},
		"Argo Rollouts scales down what it took over":      {"apps/v1 Deployment", `{"spec":{"replicas":2}}`, `{"f:spec":{"f:replicas":{}}}`, "rollouts-controller", "/spec/replicas"},
		"KEDA sets an autoscaler's least":                  {"autoscaling/v2 HorizontalPodAutoscaler", `{"spec":{"minReplicas":1}}`, `{"f:spec":{"f:minReplicas":{}}}`, "keda-operator", "/spec/minReplicas"},
		"KEDA sets an autoscaler's metrics":                {"autoscaling/v2 HorizontalPodAutoscaler", `{"spec":{"metrics":[]}}`, `{"f:spec":{"f:metrics":{}}}`, "keda-operator", "/spec/metrics"},
		"an autoscaler of nodes sizes a MachineDeployment": {"cluster.x-k8s.io/v1beta1 MachineDeployment", `{"spec":{"replicas":2}}`, `{"f:spec":{"f:replicas":{}}}`, "cluster-autoscaler", "/spec/replicas"},
		"an autoscaler sizes a CloneSet":                   {"apps.kruise.io/v1alpha1 CloneSet", `{"spec":{"replicas":2}}`, `{"f:spec":{"f:replicas":{}}}`, "kube-controller-manager", "/spec/replicas"},
		"OpenShift fills in a webhook's authority":         {"admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration", `{"webhooks":[{"name":"a.example.com","clientConfig":{"caBundle":""}}]}`, `{"f:webhooks":{"k:{\"name\":\"a.example.com\"}":{"f:clientConfig":{"f:caBundle":{}}}}}`, "service-ca-operator", "/webhooks/0/clientConfig/caBundle"},
		"Crossplane fills in what it begins with":          {"s3.aws.m.upbound.io/v1beta1 Bucket", `{"spec":{"initProvider":{"tags":{"a":"b"}}}}`, `{"f:spec":{"f:initProvider":{"f:tags":{"f:a":{}}}}}`, "crossplane", "/spec/initProvider"},
		"Crossplane fills in what the cloud chose":         {"rds.aws.upbound.io/v1beta1 Instance", `{"spec":{"forProvider":{"engineVersion":"15"}}}`, `{"f:spec":{"f:forProvider":{"f:engineVersion":{}}}}`, "provider-aws", "/spec/forProvider"},
	} {
		t.Run(sentence, func(t *testing.T) {
			apiVersion, kind, _ := strings.Cut(c.object, " ")
			object := func(manager string) *unstructured.Unstructured {
				u := &unstructured.Unstructured{}
				raw := fmt.Sprintf(`{"apiVersion":%q,"kind":%q,%s`, apiVersion, kind, c.want[1:])
				if err := json.Unmarshal([]byte(raw), &u.Object); err != nil {
					t.Fatal(err)
				}
				if manager != "" {
					var set any
					if err := json.Unmarshal([]byte(c.owned), &set); err != nil {
						t.Fatal(err)
					}
					entries := []any{map[string]any{"manager": manager, "operation": "Update", "fieldsV1": set}}
					if err := unstructured.SetNestedSlice(u.Object, entries, "metadata", "managedFields"); err != nil {
						t.Fatal(err)
					}
				}
				return u
			}
			want := object("")
			if have := drift.Controlled(want, object(c.manager), "tether"); !slices.Contains(have, c.pointer) {
				t.Errorf("%s is not left to %s, but %v", c.pointer, c.manager, have)
			}
			if have := drift.Controlled(want, object("kubectl-edit"), "tether"); len(have) > 0 {
				t.Errorf("%v is left to kubectl", have)
			}
			if have := drift.Controlled(want, object("tether"), "tether"); len(have) > 0 {
				t.Errorf("%v is left, and is ours", have)
			}
			if drift.Controlled(want, nil, "tether") != nil || !drift.MayBeControlled(want) {
				t.Error("what is not there yet is nobody's")
			}
		})
	}
}

// Somebody who follows the annotation by hand does what it says.
func TestWhoAsksForAnInjectionLeavesItToWhoever(t *testing.T) {
	text := `{"apiVersion":"apiregistration.k8s.io/v1","kind":"APIService","metadata":{"annotations":{%s},"managedFields":[{"manager":"kubectl-patch","operation":"Update","fieldsV1":{"f:spec":{"f:caBundle":{}}}}]},"spec":{"caBundle":"YQ=="}}`
	for annotation, want := range map[string][]string{`"cert-manager.io/inject-ca-from":"web/ca"`: {"/spec/caBundle"}, `"other":"x"`: nil} {
		u := &unstructured.Unstructured{}
		if err := json.Unmarshal(fmt.Appendf(nil, text, annotation), &u.Object); err != nil {
			t.Fatal(err)
		}
		if have := drift.Controlled(u, u, "tether"); !slices.Equal(have, want) {
			t.Errorf("%s: %v", annotation, have)
		}
		if have := drift.FilledIn(u); !slices.Equal(have, []string{"/spec/caBundle"}) {
			t.Errorf("%v is filled in", have)
		}
	}
}
