package plan

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// deployments are n workloads of web as they are wanted, and as the cluster has them
// with what the API server and its controllers add.
func deployments(b *testing.B, n int) (want []manifest.Object, observations map[manifest.ID]Observation) {
	b.Helper()
	observations = map[manifest.ID]Observation{}
	for i := range n {
		text := fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: app%d, labels: {app: web, tier: front}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "example.com/web:v1", ports: [{name: http, containerPort: 8080}], env: [{name: A, value: a}, {name: B, value: b}], resources: {requests: {cpu: 10m, memory: 32Mi}}}`, i)
		objects, err := manifest.Parse(text, "prod", nil)
		if err != nil {
			b.Fatal(err)
		}
		o := web.Mark(objects)[0]
		live := &manifest.Object{Unstructured: o.DeepCopy()}
		live.SetUID("u")
		live.SetResourceVersion("7")
		live.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: ownership.FieldManager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: "apps/v1",
			FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(ownedFields)}})
		live.Object["status"] = map[string]any{"replicas": int64(2), "observedGeneration": int64(1)}
		want, observations[o.ID()] = append(want, o), Observation{Live: live.Unstructured, DryRun: live.DeepCopy()}
	}
	return want, observations
}

const ownedFields = `{"f:metadata":{"f:annotations":{"f:meta.helm.sh/release-name":{},"f:meta.helm.sh/release-namespace":{}},"f:labels":{"f:app":{},"f:app.kubernetes.io/managed-by":{},"f:tether.stytex.cloud/environment":{},"f:tier":{}}},"f:spec":{"f:replicas":{},"f:selector":{},"f:template":{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"web\"}":{".":{},"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}},"k:{\"name\":\"B\"}":{".":{},"f:name":{},"f:value":{}}},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{}}},"f:resources":{"f:requests":{"f:cpu":{},"f:memory":{}}}}}}}}}`

// BenchmarkPlan plans a release of 50 workloads, one of which is to change.
func BenchmarkPlan(b *testing.B) {
	want, observations := deployments(b, 50)
	changed := observations[want[7].ID()]
	if err := unstructured.SetNestedField(changed.DryRun.Object, int64(3), "spec", "replicas"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if p := NewPlan(web, want, nil, observations, Provisions{}); len(p.Drifted()) != 1 {
			b.Fatal(p)
		}
	}
}

// BenchmarkProjection is what an event on a workload costs: its owned fields are
// hashed, and found to be as they were left.
func BenchmarkProjection(b *testing.B) {
	want, observations := deployments(b, 1)
	live := observations[want[0].ID()].Live
	b.ReportAllocs()
	for b.Loop() {
		if _, err := drift.Projection(live, ownership.FieldManager); err != nil {
			b.Fatal(err)
		}
	}
}
