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
spec: {replicas: 2, template: {spec: {containers: [{name: api, image: "a:1"}]}}}`
	for name, tc := range map[string]struct {
		live string
		want []string
	}{
		"the same object has no drift, whatever the server adds": {
			live: `{kind: Deployment, apiVersion: apps/v1, metadata: {name: app, resourceVersion: "9"}, status: {replicas: 1}, spec: {replicas: 2, template: {spec: {containers: [{name: api, image: "a:1"}]}}}}`,
		},
		"an inserted sidecar is one field, not a shift of all containers": {
			live: `{kind: Deployment, apiVersion: apps/v1, metadata: {name: app}, spec: {replicas: 2, template: {spec: {containers: [{name: spy, image: "x:1"}, {name: api, image: "a:1"}]}}}}`,
			want: []string{`spec.template.spec.containers[name=spy]: {"image":"x:1","name":"spy"} -> (absent)`},
		},
		"a changed image is named by its container": {
			live: `{kind: Deployment, apiVersion: apps/v1, metadata: {name: app}, spec: {replicas: 2, template: {spec: {containers: [{name: api, image: "b:2"}]}}}}`,
			want: []string{`spec.template.spec.containers[name=api].image: "b:2" -> "a:1"`},
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
