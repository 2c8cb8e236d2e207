package kube

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// A quantity that no cluster has is sent to no API server, which would be busy with it for
// minutes, for all its users; and a text that looks like one is none.
func TestQuantitiesThatAreNotSent(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {commit: %[1]q}, annotations: {commit: %[1]q}}\nspec:\n  containers: [{name: a, args: [%[1]q], env: [{name: A, value: %[1]q}]"
	for name, c := range map[string]struct{ text, field string }{
		"a request of a pod":      {pod + ", resources: {requests: {cpu: %[1]q}}}]\n", "spec.containers[0].resources.requests.cpu"},
		"a limit of a template's": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {initContainers: [{name: a}, {name: b, resources: {limits: {memory: %[1]q}}}]}}}\n", "spec.template.spec.initContainers[1].resources.limits.memory"},
		"a divisor":               {pod + ", resources: {}}, {name: b, env: [{name: A, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: %[1]q}}}]}]\n", "spec.containers[1].env[0].valueFrom.resourceFieldRef.divisor"},
		"a volume in memory":      {pod + "}]\n  volumes: [{name: a, emptyDir: {sizeLimit: %[1]q}}]\n", "spec.volumes[0].emptyDir.sizeLimit"},
		"a claim's template":      {"apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a}\nspec: {volumeClaimTemplates: [{metadata: {name: a}, spec: {resources: {requests: {storage: %[1]q}}}}]}\n", "spec.volumeClaimTemplates[0].spec.resources.requests.storage"},
		"a target of an autoscaler": {"apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}\nspec: {metrics: [{type: Pods, pods: {target: {type: AverageValue, averageValue: %[1]q}}}]}\n",
			"spec.metrics[0].pods.target.averageValue"},
		"a quota":            {"apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: a}\nspec: {hard: {pods: %[1]q}}\n", "spec.hard.pods"},
		"what a status says": {"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nstatus: {capacity: {storage: %[1]q}}\n", "status.capacity.storage"},
		"texts":              {pod + "}]\n", ""},
		"data":               {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: %[1]q}\n", ""},
		"a custom resource":  {"apiVersion: example.com/v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{resources: {requests: {cpu: %[1]q}}}]}\n", ""},
		"another shape":      {"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: {resources: %[1]q}, volumes: %[1]q}\n", ""},
	} {
		for _, number := range []string{"1e-2000000000", "1E99999999999999999999", "12e4567890"} {
			u := &unstructured.Unstructured{}
			if err := yaml.Unmarshal(fmt.Appendf(nil, c.text, number), &u.Object); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want := ""
			if c.field != "" {
				want = fmt.Sprintf("%s is %q: it is no quantity that a cluster has", c.field, number)
			}
			start, got := time.Now(), ""
			if err := CheckQuantities(u); err != nil {
				got = err.Error()
			}
			if got != want {
				t.Errorf("%s: %q; want %q", name, got, want)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s took %s", name, took)
			}
		}
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(fmt.Appendf(nil, c.text, "500m"), &u.Object); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := CheckQuantities(u); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
