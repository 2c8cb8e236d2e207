package drift_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/drift"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestCompare(t *testing.T) {
	const applied = `
kind: Deployment
apiVersion: apps/v1
metadata: {name: app, resourceVersion: "2"}
spec: {replicas: 2, template: {spec: {containers: [{name: api, image: "a:1"}], initContainers: [{name: a}, {name: b}]}}}`
	for name, tc := range map[string]struct {
		live string
		want []string
	}{
		"the same object has no drift, whatever the server adds": {
			live: `{kind: Deployment, apiVersion: apps/v1, metadata: {name: app, resourceVersion: "9"}, status: {replicas: 1}, spec: {replicas: 2, template: {spec: {containers: [{name: api, image: "a:1"}], initContainers: [{name: a}, {name: b}]}}}}`,
		},
		"an inserted sidecar is one field, not a shift of all containers": {
			live: `{kind: Deployment, apiVersion: apps/v1, metadata: {name: app}, spec: {replicas: 2, template: {spec: {containers: [{name: spy, image: "x:1"}, {name: api, image: "a:1"}], initContainers: [{name: a}, {name: b}]}}}}`,
			want: []string{`spec.template.spec.containers[name=spy]: {"image":"x:1","name":"spy"} -> (absent)`},
		},
		"a changed image is named by its container": {
			live: `{kind: Deployment, apiVersion: apps/v1, metadata: {name: app}, spec: {replicas: 2, template: {spec: {containers: [{name: api, image: "b:2"}], initContainers: [{name: a}, {name: b}]}}}}`,
			want: []string{`spec.template.spec.containers[name=api].image: "b:2" -> "a:1"`},
		},
		"another order of what stays is told, whatever stands between": {
			live: `{kind: Deployment, apiVersion: apps/v1, metadata: {name: app}, spec: {replicas: 2, template: {spec: {containers: [{name: api, image: "a:1"}], initContainers: [{name: b}, {name: spy}, {name: a}]}}}}`,
			want: []string{`spec.template.spec.initContainers: ["b","a"] -> ["a","b"]`, `spec.template.spec.initContainers[name=spy]: {"name":"spy"} -> (absent)`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range drift.Compare(object(t, tc.live), object(t, applied)) {
				got = append(got, f.Path+": "+f.Have+" -> "+f.Want)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretsAreMasked(t *testing.T) {
	live := object(t, `{kind: Secret, apiVersion: v1, data: {password: aGFja2Vk}}`)
	applied := object(t, `{kind: Secret, apiVersion: v1, data: {password: Z29vZA==}}`)
	got := drift.Compare(live, applied)
	want := []drift.Field{{Path: "data.password", Want: "***", Have: "***"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestProjectionSeesOwnedFieldsAlone(t *testing.T) {
	const text = `
kind: ConfigMap
apiVersion: v1
metadata:
  name: c
  managedFields:
  - {manager: tether, operation: Apply, apiVersion: v1, fieldsType: FieldsV1, fieldsV1: {"f:data": {"f:ours": {}}}}
data: {ours: a, theirs: b}`
	hash := func(change func(*unstructured.Unstructured)) drift.Hash {
		u := object(t, text)
		change(u)
		h, err := drift.Projection(u, "tether")
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	set := func(key, to string) func(*unstructured.Unstructured) {
		return func(u *unstructured.Unstructured) { _ = unstructured.SetNestedField(u.Object, to, "data", key) }
	}
	same := hash(func(*unstructured.Unstructured) {})
	if hash(set("theirs", "z")) != same {
		t.Error("a field of somebody else changed the projection")
	}
	if hash(set("ours", "z")) == same {
		t.Error("a field of ours did not change the projection")
	}
}

// A field that changed is attributed to who owns it now, by the object's own
// managedFields; one that nobody owns any more was removed, and has no name.
func TestAttribution(t *testing.T) {
	const live = `
kind: Deployment
apiVersion: apps/v1
metadata:
  name: app
  labels: {team: red}
  managedFields:
  - {manager: tether, operation: Apply, time: "2026-01-01T00:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {"f:name": {}, "f:args": {}}}}}}}}
  - {manager: kubectl-edit, operation: Update, time: "2026-02-01T00:00:00Z", fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {"f:image": {}}}}}}}}
  - {manager: kubectl-label, operation: Update, time: "2026-03-01T00:00:00Z", fieldsV1: {"f:metadata": {"f:labels": {"f:team": {}}}}}
  - {manager: kube-controller-manager, operation: Update, subresource: status, time: "2026-04-01T00:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}
spec:
  replicas: 2
  template: {spec: {containers: [{name: api, image: "b:2"}]}}`
	const applied = `
kind: Deployment
apiVersion: apps/v1
metadata: {name: app, labels: {team: blue}}
spec:
  replicas: 2
  template: {spec: {containers: [{name: api, image: "a:1", command: [run]}]}}`
	var have []string
	for _, f := range drift.Compare(object(t, live), object(t, applied)) {
		have = append(have, f.Path+" by "+f.Manager+" since "+f.Since.UTC().Format("2006-01"))
	}
	want := []string{
		"metadata.labels.team by kubectl-label since 2026-03",
		"spec.template.spec.containers[name=api].command by  since 0001-01",
		"spec.template.spec.containers[name=api].image by kubectl-edit since 2026-02",
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

// Comparing ends, is the same each time, finds nothing between an object and
// itself, and never tells what is in a Secret.
func FuzzCompare(f *testing.F) {
	f.Add(`{"kind":"Secret","apiVersion":"v1","data":{"a":"c2VjcmV0LW9uZQ=="}}`, `{"kind":"Secret","apiVersion":"v1","data":{"a":"c2VjcmV0LXR3bw=="}}`)
	f.Add(`{"spec":{"ports":[{"name":"a","port":1}]}}`, `{"spec":{"ports":[{"name":"b"},{"port":2}]}}`)
	f.Add(`{"metadata":{"managedFields":[{"manager":"x","operation":"Apply","fieldsV1":{"f:a":{"k:{\"name\":1}":{}}}}]},"a":[1]}`, `{"a":null}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		var x, y unstructured.Unstructured
		if yaml.Unmarshal([]byte(a), &x.Object) != nil || yaml.Unmarshal([]byte(b), &y.Object) != nil {
			return
		}
		once, twice := drift.Compare(&x, &y), drift.Compare(&x, &y)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Errorf("not the same twice:\n%s", diff)
		}
		if self := drift.Compare(&x, &x); len(self) > 0 {
			t.Errorf("it differs from itself: %v", self)
		}
		for _, field := range once {
			if x.GetKind() == "Secret" && x.GetAPIVersion() == "v1" && len(field.Path) > 5 && field.Path[:5] == "data." &&
				(field.Have != "***" && field.Have != "(absent)") {
				t.Errorf("a Secret's value is told: %v", field)
			}
		}
		_, _ = drift.Projection(&x, "x") // an error is fine; a panic is not
	})
}

// kubectl scale writes through a subresource, and is who did it all the same; what is
// written to the status changes no field of the spec.
func TestWhoScalesIsNamed(t *testing.T) {
	const live = `
kind: Deployment
apiVersion: apps/v1
metadata:
  name: app
  managedFields:
  - {manager: kubectl, operation: Update, subresource: scale, time: "2026-02-01T00:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}
  - {manager: kube-controller-manager, operation: Update, subresource: status, time: "2026-04-01T00:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}
spec: {replicas: 4}`
	got := drift.Compare(object(t, live), object(t, `{kind: Deployment, apiVersion: apps/v1, metadata: {name: app}, spec: {replicas: 2}}`))
	if len(got) != 1 || got[0].Manager != "kubectl" {
		t.Errorf("%+v", got)
	}
}
