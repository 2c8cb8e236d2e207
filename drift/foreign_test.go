package drift_test

import (
	"encoding/json"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"

	"github.com/google/go-cmp/cmp"

	"github.com/xetys/tether/drift"
)

const touched = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  resourceVersion: "7"
  labels: {app: web, team: red, tier: shared}
  annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}
  managedFields:
  - {manager: tether, operation: Apply, fieldsV1: {"f:metadata": {"f:labels": {"f:app": {}}}, "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {".": {}, "f:name": {}, "f:image": {}, "f:env": {"k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}}}}}}}}}}
  - {manager: kubectl-edit, operation: Update, time: "2026-02-01T00:00:00Z", fieldsV1: {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/last-applied-configuration": {}}, "f:labels": {"f:team": {}, "f:tier": {}}}, "f:spec": {"f:template": {"f:metadata": {"f:annotations": {".": {}, "f:kubectl.kubernetes.io/restartedAt": {}}}, "f:spec": {"f:nodeSelector": {".": {}, "f:disk": {}}, "f:containers": {"k:{\"name\":\"api\"}": {"f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:protocol": {}}}, "f:env": {"k:{\"name\":\"B\"}": {".": {}, "f:name": {}, "f:value": {}}, "k:{\"name\":\"C\"}": {".": {}, "f:name": {}}}}}}}}}}
  - {manager: mesh, operation: Update, fieldsV1: {"f:metadata": {"f:labels": {"f:tier": {}}}, "f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"sidecar\"}": {".": {}, "f:name": {}}}}}}}}
  - {manager: kubectl, operation: Update, subresource: scale, fieldsV1: {"f:spec": {"f:replicas": {}}}}
spec:
  replicas: 3
  template:
    metadata: {annotations: {kubectl.kubernetes.io/restartedAt: now}}
    spec:
      nodeSelector: {disk: ssd}
      containers:
      - name: sidecar
      - {name: api, image: "a:1", ports: [{containerPort: 80, protocol: TCP}], env: [{name: A, value: a}, {name: B, value: b}, {name: C}]}`

// What a person added is foreign; what a controller added or shares, what went
// through a subresource, a restart and the server's own notes are not.
func TestForeign(t *testing.T) {
	var have []string
	for _, f := range drift.Foreign(object(t, touched), "tether", []string{"kubectl"}, []string{"/spec/template/spec/containers/1/env/1"}) {
		have = append(have, f.Path+" = "+f.Have+" by "+f.Manager+", "+f.Operation)
	}
	want := []string{
		`metadata.labels.team = "red" by kubectl-edit, Update`,
		`spec.template.spec.containers[name=api].env[name=C] = {"name":"C"} by kubectl-edit, Update`,
		`spec.template.spec.containers[name=api].ports[containerPort=80] = {"containerPort":80,"protocol":"TCP"} by kubectl-edit, Update`,
		`spec.template.spec.nodeSelector.disk = "ssd" by kubectl-edit, Update`,
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
}

// A strip removes what is foreign, from the last element of a list to the first,
// and only from the version that was looked at.
func TestStrip(t *testing.T) {
	u := object(t, touched)
	text, err := drift.Strip(u, "tether", []string{"kubectl"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(u.Object)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = patch.Apply(raw); err != nil {
		t.Fatal(err)
	}
	var after struct {
		Metadata struct{ Labels map[string]string }
		Spec     any
	}
	if err := json.Unmarshal(raw, &after); err != nil {
		t.Fatal(err)
	}
	labels, err := json.Marshal(after.Metadata.Labels)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := json.Marshal(after.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(`{"app":"web","tier":"shared"}`, string(labels)); diff != "" {
		t.Error(diff)
	}
	want := `{"replicas":3,"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"now"}},"spec":{"containers":[{"name":"sidecar"},{"env":[{"name":"A","value":"a"}],"image":"a:1","name":"api","ports":[]}],"nodeSelector":{}}}}`
	if diff := cmp.Diff(want, string(spec)); diff != "" {
		t.Error(diff)
	}
}

func TestForeignHashChangesWithWhatIsForeign(t *testing.T) {
	u := object(t, touched)
	tools := []string{"kubectl"}
	before := drift.ForeignHash(u, "tether", tools)
	u.SetLabels(map[string]string{"app": "web", "team": "blue", "tier": "shared"})
	if drift.ForeignHash(u, "tether", tools) == before {
		t.Error("another value of a foreign field left the hash as it was")
	}
	if drift.ForeignHash(u, "tether", []string{"k9s"}) != (drift.Hash{}) {
		t.Error("nothing is foreign, and yet the hash is not zero")
	}
}

func TestYield(t *testing.T) {
	const want = `
kind: Deployment
metadata: {name: web, annotations: {a: git, b: git}}
spec:
  replicas: 2
  template: {spec: {containers: [{name: api, image: "a:2", args: [x], ports: [{containerPort: 80}, {containerPort: 81}], resources: {limits: {cpu: 1, memory: 1Gi}}}]}}`
	for name, tc := range map[string]struct {
		live, past string
		paths      []string
		want       string
	}{
		"what is not in the cluster yet is applied as it is": {
			paths: []string{"/spec"},
			want:  want,
		},
		"what another manager owns is left to it, and what is ours stays": {
			live: `
kind: Deployment
metadata:
  managedFields:
  - {manager: vpa, operation: Update, fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {"f:resources": {"f:limits": {"f:cpu": {}}}}}}}}}}
spec: {replicas: 2, template: {spec: {containers: [{name: mesh}, {name: api, image: "a:1", resources: {limits: {cpu: 3, memory: 1Gi}}}]}}}`,
			past:  want,
			paths: []string{"/spec/template/spec/containers/0/resources"},
			want: `
kind: Deployment
metadata: {name: web, annotations: {a: git, b: git}}
spec:
  replicas: 2
  template: {spec: {containers: [{name: api, image: "a:2", args: [x], ports: [{containerPort: 80}, {containerPort: 81}], resources: {limits: {memory: 1Gi}}}]}}`,
		},
		"what was applied and removed by somebody stays away, and what is new comes": {
			live:  `{kind: Deployment, metadata: {name: web}, spec: {replicas: 2}}`,
			past:  `{kind: Deployment, metadata: {name: web, annotations: {a: git}}}`,
			paths: []string{"/metadata/annotations"},
			want: `
kind: Deployment
metadata: {name: web, annotations: {b: git}}
spec:
  replicas: 2
  template: {spec: {containers: [{name: api, image: "a:2", args: [x], ports: [{containerPort: 80}, {containerPort: 81}], resources: {limits: {cpu: 1, memory: 1Gi}}}]}}`,
		},
		"a list whose elements have no names is taken as the cluster has it": {
			live: `
kind: Deployment
metadata:
  managedFields:
  - {manager: mesh, operation: Update, fieldsV1: {"f:spec": {"f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {"f:args": {}, "f:ports": {"k:{\"containerPort\":81,\"protocol\":\"TCP\"}": {".": {}}}}}}}}}}
spec: {template: {spec: {containers: [{name: api, args: [y], ports: [{containerPort: 81}]}]}}}`,
			past:  want,
			paths: []string{"/spec/template/spec/containers/0/ports", "/spec/template/spec/containers/0/args"},
			want: `
kind: Deployment
metadata: {name: web, annotations: {a: git, b: git}}
spec:
  replicas: 2
  template: {spec: {containers: [{name: api, image: "a:2", ports: [{containerPort: 81}], resources: {limits: {cpu: 1, memory: 1Gi}}}]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			wanted := object(t, want)
			live, past := object(t, tc.live), object(t, tc.past)
			if tc.live == "" {
				live = nil
			}
			got := drift.Relinquish(wanted, live, past, "tether", tc.paths)
			if diff := cmp.Diff(object(t, tc.want).Object, got.Object); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(object(t, want).Object, wanted.Object); diff != "" {
				t.Errorf("what was given is modified: %s", diff)
			}
		})
	}
}
