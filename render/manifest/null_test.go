package manifest_test

import (
	"encoding/json"
	"testing"

	"github.com/xetys/tether/render/manifest"
)

func TestWhatIsNullIsNotSet(t *testing.T) {
	for sentence, c := range map[string]struct{ text, want string }{
		"in one of Kubernetes' own kinds, at any depth": {
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: a, labels: null, creationTimestamp: null}, spec: {replicas: null, template: {spec: {containers: [{name: b, env: [{name: c, value: null}]}]}}}, status: null}",
			`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"prod"},"spec":{"template":{"spec":{"containers":[{"env":[{"name":"c"}],"name":"b"}]}}}}`},
		"but an element of a list keeps its place": {
			"{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {args: [null, x]}}",
			`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"prod"},"spec":{"args":[null,"x"]}}`},
		"nor the texts of a ConfigMap": {
			"{apiVersion: v1, kind: ConfigMap, metadata: {name: a, annotations: {b: null}}, data: {b: null}, immutable: null}",
			`{"apiVersion":"v1","data":{"b":null},"kind":"ConfigMap","metadata":{"annotations":{},"name":"a","namespace":"prod"}}`},
		"and in a custom resource only in the metadata": {
			"{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: a, labels: {b: null}}, spec: {c: null}}",
			`{"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"labels":{},"name":"a","namespace":"prod"},"spec":{"c":null}}`},
	} {
		t.Run(sentence, func(t *testing.T) {
			objects, err := manifest.Parse(c.text, "prod", nil)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := json.Marshal(objects[0].Object)
			if err != nil || string(raw) != c.want {
				t.Errorf("have %s, want %s, %v", raw, c.want, err)
			}
		})
	}
}
