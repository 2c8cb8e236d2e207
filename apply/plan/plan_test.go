package plan

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

var update = flag.Bool("update", false, "rewrite the goldens")

var web = Owner{Environment: "production", Name: "web", Namespace: "prod"}

// parse reads objects as they would be rendered for web.
func parse(t *testing.T, text string) []manifest.Object {
	t.Helper()
	out, err := manifest.Parse(text, "prod", nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// live is an object of web as the cluster has it.
func live(t *testing.T, text string) manifest.Object {
	t.Helper()
	o := web.Mark(parse(t, text))[0]
	o.SetUID("uid-1")
	o.SetResourceVersion("7")
	o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: ownership.FieldManager, Operation: metav1.ManagedFieldsOperationApply}})
	return o
}

// A plan of everything that can happen to an object, in the golden format.
func TestPlanOfEverything(t *testing.T) {
	want := web.Mark(parse(t, `
kind: Deployment
apiVersion: apps/v1
metadata: {name: new}
---
kind: Deployment
apiVersion: apps/v1
metadata: {name: same}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: differs}
data: {a: wanted}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: theirs}
---
kind: Job
apiVersion: batch/v1
metadata: {name: job}
---
kind: Service
apiVersion: v1
metadata: {name: stuck}
---
kind: Service
apiVersion: v1
metadata: {name: recreated, annotations: {tether.stytex.cloud/recreate: "true"}}
---
kind: Widget
apiVersion: example.com/v1
metadata: {name: later}
---
kind: Namespace
apiVersion: v1
metadata: {name: space}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: nonsense}
`))
	past := parse(t, `
kind: ConfigMap
apiVersion: v1
metadata: {name: gone}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: leaving}
---
kind: PersistentVolumeClaim
apiVersion: v1
metadata: {name: data}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: kept}
---
kind: ConfigMap
apiVersion: v1
metadata: {name: handed-over}
`)
	kept := live(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}}")
	theirs := live(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: theirs}}")
	theirs.SetAnnotations(map[string]string{ownership.AnnotRelease: "other", ownership.AnnotReleaseSpace: "elsewhere"})
	handed := live(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: handed-over}}")
	handed.SetAnnotations(theirs.GetAnnotations())
	immutableField := apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "x", field.ErrorList{field.Invalid(field.NewPath("spec", "clusterIP"), "10.0.0.1", "field is immutable")})
	observations := map[manifest.ID]Observation{}
	see := func(o manifest.Object, s Observation) {
		s.Live = o.Unstructured
		observations[o.ID()] = s
	}
	see(live(t, "{kind: Deployment, apiVersion: apps/v1, metadata: {name: same}}"), Observation{InPlace: true})
	see(live(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: differs}, data: {a: found}}"),
		Observation{DryRun: live(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: differs}, data: {a: wanted}}").Unstructured})
	see(theirs, Observation{DryRun: theirs.Unstructured})
	see(live(t, "{kind: Job, apiVersion: batch/v1, metadata: {name: job}}"), Observation{Err: immutableField})
	see(live(t, "{kind: Service, apiVersion: v1, metadata: {name: stuck}}"), Observation{Err: immutableField})
	see(live(t, "{kind: Service, apiVersion: v1, metadata: {name: recreated}}"), Observation{Err: immutableField})
	see(live(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: leaving}}"), Observation{})
	see(live(t, "{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: data}}"), Observation{})
	see(kept, Observation{})
	see(handed, Observation{})
	observations[manifest.ID{Group: "example.com", Kind: "Widget", Namespace: "prod", Name: "later"}] = Observation{Deferred: "its kind Widget.example.com comes with this commit"}
	observations[manifest.ID{Kind: "ConfigMap", Namespace: "prod", Name: "nonsense"}] = Observation{Err: errors.New("data: Invalid value: 1")}

	golden(t, "everything", NewPlan(web, want, past, observations, Provisions{}).String())
}

func golden(t *testing.T, name, have string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(have), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), have); diff != "" {
		t.Errorf("%s (rewrite it with -update):\n%s", path, diff)
	}
}

// Nothing that the server writes by itself makes a plan non-empty.
func TestNoiseIsNoDrift(t *testing.T) {
	want := web.Mark(parse(t, "{kind: Deployment, apiVersion: apps/v1, metadata: {name: web}, spec: {replicas: 2}}"))
	judged := live(t, "{kind: Deployment, apiVersion: apps/v1, metadata: {name: web}, spec: {replicas: 2}}")
	for name, change := range map[string]func(o manifest.Object){
		"a status": func(o manifest.Object) {
			o.Object["status"] = map[string]any{"conditions": []any{map[string]any{"lastTransitionTime": "2026-01-01T00:00:00Z"}}}
		},
		"a resource version": func(o manifest.Object) { o.SetResourceVersion("99") },
		"a generation":       func(o manifest.Object) { o.SetGeneration(12) },
		"a UID":              func(o manifest.Object) { o.SetUID("other") },
		"a manager's time": func(o manifest.Object) {
			now := metav1.Now()
			o.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: ownership.FieldManager, Operation: metav1.ManagedFieldsOperationApply, Time: &now}})
		},
		"a number of another type": func(o manifest.Object) { o.Object["spec"] = map[string]any{"replicas": float64(2)} },
	} {
		t.Run(name, func(t *testing.T) {
			found := live(t, "{kind: Deployment, apiVersion: apps/v1, metadata: {name: web}, spec: {replicas: 2}}")
			change(found)
			plan := NewPlan(web, want, nil, map[manifest.ID]Observation{found.ID(): {Live: found.Unstructured, DryRun: judged.Unstructured}}, Provisions{})
			if plan.Pending() {
				t.Errorf("the plan is not empty:\n%s", plan)
			}
		})
	}
}

func TestStringDataIsOwnedAsData(t *testing.T) {
	secret := parse(t, "{kind: Secret, apiVersion: v1, metadata: {name: s}, data: {a: eA==}, stringData: {b: plain}}")
	marked := web.Mark(secret)[0]
	want := map[string]any{"a": "eA==", "b": "cGxhaW4="}
	if diff := cmp.Diff(want, marked.Object["data"]); diff != "" || marked.Object["stringData"] != nil {
		t.Errorf("data %v, stringData %v", marked.Object["data"], marked.Object["stringData"])
	}
	if secret[0].Object["stringData"] == nil {
		t.Error("the given object was modified")
	}
}

func TestNothingStartsBeforeWhatItNeeds(t *testing.T) {
	order := []schema.GroupKind{
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}, {Kind: "Namespace"}, {Kind: "ConfigMap"},
		{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"},
		{Group: "apps", Kind: "Deployment"}, {Group: "networking.k8s.io", Kind: "Ingress"},
		{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"},
	}
	for i := range len(order) - 1 {
		if StageOf(order[i]) >= StageOf(order[i+1]) {
			t.Errorf("%s does not come before %s", order[i], order[i+1])
		}
	}
	if StageOf(schema.GroupKind{Group: "example.com", Kind: "Widget"}) <= StageOf(schema.GroupKind{Group: "apps", Kind: "Deployment"}) {
		t.Error("a custom resource comes before its operator")
	}
}

func TestRolesComeBeforeTheirBindings(t *testing.T) {
	const group = "rbac.authorization.k8s.io"
	for _, role := range []string{"Role", "ClusterRole"} {
		for _, binding := range []string{"RoleBinding", "ClusterRoleBinding"} {
			if StageOf(schema.GroupKind{Group: group, Kind: role}) >= StageOf(schema.GroupKind{Group: group, Kind: binding}) {
				t.Errorf("%s does not come before %s", role, binding)
			}
		}
	}
}

// What was deleted before an interruption, and is held by a finalizer, is still there.
func TestWhatIsBeingDeletedIsWaitedFor(t *testing.T) {
	going := live(t, "{kind: ConfigMap, apiVersion: v1, metadata: {name: going, finalizers: [example.com/x]}}")
	now := metav1.Now()
	going.SetDeletionTimestamp(&now)
	plan := NewPlan(web, nil, []manifest.Object{going}, map[manifest.ID]Observation{going.ID(): {Live: going.Unstructured}}, Provisions{})
	if doomed := plan.Deletions(); len(doomed) != 1 || !plan.Pending() {
		t.Errorf("it is not waited for:\n%s", plan)
	}
}

// What gathers others' rules would be written anew when they go.
func TestWhatGathersIsDeletedBeforeWhatItGathers(t *testing.T) {
	var past []manifest.Object
	observations := map[manifest.ID]Observation{}
	for _, o := range []manifest.Object{
		live(t, "{kind: ClusterRole, apiVersion: rbac.authorization.k8s.io/v1, metadata: {name: all}, aggregationRule: {clusterRoleSelectors: [{matchLabels: {part: x}}]}}"),
		live(t, "{kind: ClusterRole, apiVersion: rbac.authorization.k8s.io/v1, metadata: {name: part, labels: {part: x}}}"),
		live(t, "{kind: Deployment, apiVersion: apps/v1, metadata: {name: first}}"),
	} {
		past = append(past, o)
		observations[o.ID()] = Observation{Live: o.Unstructured}
	}
	var names []string
	for _, c := range NewPlan(web, nil, past, observations, Provisions{}).Deletions() {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "first all part" {
		t.Errorf("deleted in the order %s", got)
	}
}
