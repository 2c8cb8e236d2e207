package live_test

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// What an old record lists under an API that is gone is the object that is there under the
// API that came after it: it stays when it is still wanted, and goes when it is not.
func TestAnObjectWhoseAPIIsGone(t *testing.T) {
	const meta = "metadata: {name: web, annotations: {meta.helm.sh/release-name: web, meta.helm.sh/release-namespace: $NS}}"
	for sentence, c := range map[string]struct{ was, is string }{
		"an Ingress in another group": {"{apiVersion: extensions/v1beta1, kind: Ingress, " + meta + ", spec: {backend: {serviceName: web, servicePort: 80}}}",
			"{apiVersion: networking.k8s.io/v1, kind: Ingress, " + meta + ", spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}"},
		"a NetworkPolicy in another group": {"{apiVersion: extensions/v1beta1, kind: NetworkPolicy, " + meta + ", spec: {podSelector: {}}}",
			"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, " + meta + ", spec: {podSelector: {}}}"},
		"a Deployment in another group": {"{apiVersion: extensions/v1beta1, kind: Deployment, " + meta + ", spec: {}}",
			"{apiVersion: apps/v1, kind: Deployment, " + meta + ", spec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: b}]}}}}"},
		"a budget in another version": {"{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, " + meta + ", spec: {}}",
			"{apiVersion: policy/v1, kind: PodDisruptionBudget, " + meta + ", spec: {minAvailable: 1, selector: {matchLabels: {a: b}}}}"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t, "")
			was := w.parse(c.was)
			is := w.parse(c.is)
			resource := map[string]string{"Ingress": "ingresses", "NetworkPolicy": "networkpolicies", "Deployment": "deployments", "PodDisruptionBudget": "poddisruptionbudgets"}[is.GetKind()]
			api := w.dyn.Resource(is.GroupVersionKind().GroupVersion().WithResource(resource)).Namespace(w.space)
			if _, err := api.Apply(context.Background(), is.GetName(), is, metav1.ApplyOptions{FieldManager: ownership.FieldManager}); err != nil {
				t.Fatal(err)
			}
			owner := plan.Owner{Environment: w.space, Name: "web", Namespace: w.space}
			p := func(want ...manifest.Object) plan.Plan {
				past := []manifest.Object{{Unstructured: was.DeepCopy()}}
				observations, err := w.cluster.Surveyor.Survey(t.Context(), want, past, plan.Provisions{})
				if err != nil {
					t.Fatal(err)
				}
				return plan.NewPlan(owner, want, past, observations, plan.Provisions{})
			}
			kept := p(owner.Mark([]manifest.Object{{Unstructured: is}})...)
			if len(kept.Changes) != 1 || kept.Changes[0].Action == plan.Delete {
				t.Errorf("while it is wanted: %s", kept)
			}
			gone := p()
			if len(gone.Changes) != 1 || gone.Changes[0].Action != plan.Delete {
				t.Fatalf("when it is not: %s", gone)
			}
			if err := w.cluster.Executor.Prune(t.Context(), gone, wait.Within(time.Minute, time.Now()), nil); err != nil {
				t.Fatal(err)
			}
			if left, err := api.List(t.Context(), metav1.ListOptions{}); err != nil || len(left.Items) != 0 {
				t.Errorf("%d are left, %v", len(left.Items), err)
			}
		})
	}
}
