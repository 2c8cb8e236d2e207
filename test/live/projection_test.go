// Package live_test holds the live cache, its projections and its watches to their
// promises on a real API server.
package live_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/test/cluster"
)

func TestMain(m *testing.M) { cluster.Main(m) }

const manager = "tether"

// specimens are what charts are full of: maps, sets, lists with keys and without,
// defaults, quantities, and a kind without a schema.
var specimens = map[schema.GroupVersionResource]string{
	{Group: "apps", Version: "v1", Resource: "deployments"}: `
apiVersion: apps/v1
kind: Deployment
metadata: {labels: {app: a, tier: web}, annotations: {note: x}}
spec:
  replicas: 0
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}, annotations: {checksum: "1"}}
    spec:
      nodeSelector: {disk: ssd}
      securityContext: {runAsUser: 1000}
      tolerations: [{key: a, operator: Exists}, {key: b, operator: Equal, value: c}]
      imagePullSecrets: [{name: pull}]
      containers:
      - name: web
        image: example.com/web:1
        args: [a, b]
        env: [{name: A, value: a}, {name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        ports: [{name: http, containerPort: 80}, {name: dns, containerPort: 53, protocol: UDP}]
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {memory: 1Gi}}
        readinessProbe: {httpGet: {path: /, port: http}}
        volumeMounts: [{name: data, mountPath: /data}]
      - {name: side, image: "example.com/side:1"}
      volumes: [{name: data, emptyDir: {}}, {name: config, configMap: {name: c}}]`,
	{Version: "v1", Resource: "services"}: `
apiVersion: v1
kind: Service
metadata: {labels: {app: a}}
spec:
  selector: {app: a, tier: web}
  ports: [{name: http, port: 80, targetPort: http}, {name: dns, port: 53, protocol: UDP}]
  externalIPs: [10.1.1.1, 10.1.1.2]`,
	{Version: "v1", Resource: "configmaps"}: `
apiVersion: v1
kind: ConfigMap
metadata: {labels: {app: a}, finalizers: [example.com/hold]}
data: {a: "1", b: "two", c: ""}
binaryData: {d: AAECAw==}`,
	{Version: "v1", Resource: "secrets"}: `
apiVersion: v1
kind: Secret
data: {a: MQ==, b: Mg==}
type: Opaque`,
	{Version: "v1", Resource: "serviceaccounts"}: `
apiVersion: v1
kind: ServiceAccount
metadata: {annotations: {role: x}}
imagePullSecrets: [{name: a}, {name: b}]
secrets: [{name: a}]
automountServiceAccountToken: false`,
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}: `
apiVersion: networking.k8s.io/v1
kind: Ingress
spec:
  ingressClassName: nginx
  tls: [{hosts: [a.example.com, b.example.com], secretName: tls}]
  rules:
  - {host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}
  - {host: b.example.com, http: {paths: [{path: /b, pathType: Exact, backend: {service: {name: b, port: {name: http}}}}]}}`,
	{Group: "batch", Version: "v1", Resource: "cronjobs"}: `
apiVersion: batch/v1
kind: CronJob
spec:
  schedule: "0 0 1 1 *"
  suspend: true
  jobTemplate: {spec: {backoffLimit: 2, template: {spec: {restartPolicy: Never, containers: [{name: a, image: "a:1", command: [x, "y"]}]}}}}`,
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"}: `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
rules:
- {apiGroups: [""], resources: [pods, secrets], verbs: [get, list]}
- {apiGroups: [apps], resources: [deployments], verbs: [get], resourceNames: [a]}`,
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}: `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
spec:
  podSelector: {matchLabels: {app: a}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {matchLabels: {x: "y"}}}], ports: [{port: 80}]}]`,
	{Group: "fuzz.example.com", Version: "v1", Resource: "things"}: `
apiVersion: fuzz.example.com/v1
kind: Thing
spec:
  free: {a: 1, b: [1, 2, {c: d}], e: {f: null, g: 1.5}}
  set: [a, b, c]
  keyed: [{id: 1, v: a}, {id: 2, v: b}]
  atomic: {a: x, b: "y"}
  number: 3`,
}

const thingDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.fuzz.example.com}
spec:
  group: fuzz.example.com
  scope: Namespaced
  names: {kind: Thing, plural: things, singular: thing, listKind: ThingList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              set: {type: array, x-kubernetes-list-type: set, items: {type: string}}
              keyed: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [id], items: {type: object, required: [id], properties: {id: {type: integer}, v: {type: string, default: z}}}}
              atomic: {type: object, x-kubernetes-map-type: atomic, additionalProperties: {type: string}}
              number: {type: number}
              defaulted: {type: string, default: here}`

// An event is dismissed when the projection of the object is what it was. That must
// never hide drift: where the projection says "same", the server-side dry-run must
// say so too. The other way round costs a dry-run, and is counted.
//
// TETHER_FUZZ_EDITS sets the number of edits, TETHER_FUZZ_SEED the seed.
func TestTheProjectionNeverHidesDrift(t *testing.T) {
	edits, seed := number(t, "TETHER_FUZZ_EDITS", 600), number(t, "TETHER_FUZZ_SEED", rand.Int())
	t.Logf("seed %d", seed)
	f := newFuzzer(t, seed)
	for f.made < edits && !t.Failed() {
		f.object(8)
	}
	t.Logf("%d edits that the server took, %d refused: %d changed the projection, %d drifted, %d were false alarms",
		f.made, f.refused, f.changed, f.drifted, f.alarms)
	if f.drifted == 0 || f.changed == f.made {
		t.Error("the edits try nothing: some must drift, and some must leave the projection as it is")
	}
}

func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

type fuzzer struct {
	t     *testing.T
	rand  *rand.Rand
	dyn   dynamic.Interface
	kinds []schema.GroupVersionResource
	space string

	objects, made, refused, changed, drifted, alarms int
}

func newFuzzer(t *testing.T, seed int) *fuzzer {
	c := cluster.Shared(t)
	f := &fuzzer{t: t, rand: rand.New(rand.NewPCG(uint64(seed), 1)), space: fmt.Sprintf("fuzz-%d", os.Getpid())}
	config := rest.CopyConfig(c.Config)
	config.WarningHandler = rest.NoWarnings{}
	var err error
	if f.dyn, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	f.mustApply(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+f.space+"}")
	f.mustApply(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}, thingDefinition)
	for gvr := range specimens {
		f.kinds = append(f.kinds, gvr)
	}
	slices.SortFunc(f.kinds, func(a, b schema.GroupVersionResource) int { return strings.Compare(a.String(), b.String()) })
	f.await(schema.GroupVersionResource{Group: "fuzz.example.com", Version: "v1", Resource: "things"})
	return f
}

func (f *fuzzer) mustApply(gvr schema.GroupVersionResource, text string) {
	u := parse(f.t, text)
	if _, err := f.dyn.Resource(gvr).Apply(context.Background(), u.GetName(), u, metav1.ApplyOptions{FieldManager: manager, Force: true}); err != nil {
		f.t.Fatal(err)
	}
}

func parse(t testing.TB, text string) *unstructured.Unstructured {
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return u
}

// object applies a random object and edits it some times.
func (f *fuzzer) object(edits int) {
	gvr := f.kinds[f.rand.IntN(len(f.kinds))]
	want := parse(f.t, specimens[gvr])
	for range f.rand.IntN(6) {
		f.prune(want.Object)
	}
	f.objects++
	want.SetName(fmt.Sprintf("o%d", f.objects))
	want.SetNamespace(f.space)
	api := f.dyn.Resource(gvr).Namespace(f.space)
	live, err := api.Apply(context.Background(), want.GetName(), want, metav1.ApplyOptions{FieldManager: manager, Force: true})
	if err != nil {
		var refused apierrors.APIStatus
		if errors.As(err, &refused) {
			return // what is needed was pruned
		}
		f.t.Fatal(err)
	}
	for range edits {
		if live = f.edit(api, want, live); live == nil || f.t.Failed() {
			break
		}
	}
	_, _ = api.Patch(context.Background(), want.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	_ = api.Delete(context.Background(), want.GetName(), metav1.DeleteOptions{}) // it is in nobody's way
}

// edit changes an object as somebody else would and checks what the projection says
// of it. It returns the object as it is then, applied again if it drifted.
func (f *fuzzer) edit(api dynamic.ResourceInterface, want, live *unstructured.Unstructured) *unstructured.Unstructured {
	before, err := drift.Projection(live, manager)
	if errors.Is(err, drift.ErrNotOurs) {
		return nil // such an object is always asked about
	}
	if err != nil {
		f.t.Fatal(err)
	}
	edited, what := f.change(api, want, live)
	if edited == nil {
		f.refused++
		return live
	}
	f.made++
	edited, judged := f.judge(api, want, edited)
	if judged == nil {
		return nil
	}
	after, err := drift.Projection(edited, manager)
	same := err == nil && after == before
	differs := drift.Compare(edited, judged)
	// A field that only somebody else owns any more is put back too: else it would
	// stay when the chart drops it.
	drifted := len(differs) > 0 || !reflect.DeepEqual(drift.Applied(edited, manager), drift.Applied(judged, manager))
	switch {
	case same && drifted:
		f.t.Errorf("%s %s: %s: the projection is the same, and yet a dry-run changes %+v\nwas  %s\nis   %s\nwant %s", want.GetKind(), want.GetName(), what, differs, text(live), text(edited), text(want))
	case !same && drifted:
		f.drifted++
	case !same:
		f.alarms++
	}
	if !same {
		f.changed++
	}
	if !drifted {
		return edited
	}
	again, err := api.Apply(context.Background(), want.GetName(), want, metav1.ApplyOptions{FieldManager: manager, Force: true})
	if err != nil {
		return nil
	}
	return again
}

// judge sends the dry-run; the object is read again if a controller changed it
// meanwhile. It returns nil if the server refuses: somebody set an immutable field.
func (f *fuzzer) judge(api dynamic.ResourceInterface, want, edited *unstructured.Unstructured) (live, judged *unstructured.Unstructured) {
	for {
		judged, err := api.Apply(context.Background(), want.GetName(), want, metav1.ApplyOptions{FieldManager: manager, Force: true, DryRun: []string{metav1.DryRunAll}})
		if err != nil {
			return nil, nil
		}
		if judged.GetResourceVersion() == edited.GetResourceVersion() {
			return edited, judged
		}
		if edited, err = api.Get(context.Background(), want.GetName(), metav1.GetOptions{}); err != nil {
			f.t.Fatal(err)
		}
	}
}

func text(u *unstructured.Unstructured) string {
	raw, err := json.Marshal(u.Object)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}

var others = []string{"kubectl-edit", "mallory", "mesh", "helm"}

// change sends one random change under another name: an update, or an apply of some
// of the same fields. It returns nil if the server would not have it.
func (f *fuzzer) change(api dynamic.ResourceInterface, want, live *unstructured.Unstructured) (*unstructured.Unstructured, string) {
	by := others[f.rand.IntN(len(others))]
	if f.rand.IntN(4) == 0 {
		part := want.DeepCopy()
		for range 1 + f.rand.IntN(3) {
			f.mutate(part.Object)
		}
		for range f.rand.IntN(4) {
			f.prune(part.Object)
		}
		part.SetName(want.GetName())
		part.SetNamespace(want.GetNamespace())
		edited, err := api.Apply(context.Background(), want.GetName(), part, metav1.ApplyOptions{FieldManager: by, Force: true})
		if err != nil {
			return nil, ""
		}
		return edited, "applied by " + by + ": " + text(part)
	}
	u := live.DeepCopy()
	for range 1 + f.rand.IntN(2) {
		f.mutate(u.Object)
	}
	u.SetManagedFields(live.GetManagedFields())
	edited, err := api.Update(context.Background(), u, metav1.UpdateOptions{FieldManager: by})
	if err != nil {
		return nil, ""
	}
	return edited, "updated by " + by
}

// keptKeys are what makes an object the one that it is.
var keptKeys = []string{"apiVersion", "kind", "name", "namespace", "managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"}

// descend picks a random map or list somewhere in a value.
func (f *fuzzer) descend(v any) any {
	for {
		var below []any
		switch v := v.(type) {
		case map[string]any:
			for _, k := range keysOf(v) {
				if k != "managedFields" && container(v[k]) {
					below = append(below, v[k])
				}
			}
		case []any:
			for _, e := range v {
				if container(e) {
					below = append(below, e)
				}
			}
		}
		if len(below) == 0 || f.rand.IntN(4) == 0 {
			return v
		}
		v = below[f.rand.IntN(len(below))]
	}
}

func container(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		return len(v) > 0
	case []any:
		return len(v) > 0
	}
	return false
}

func keysOf(m map[string]any) []string {
	var out []string
	for k := range m {
		if !slices.Contains(keptKeys, k) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// prune takes something out.
func (f *fuzzer) prune(root map[string]any) {
	if m, ok := f.descend(root).(map[string]any); ok {
		if keys := keysOf(m); len(keys) > 0 {
			delete(m, keys[f.rand.IntN(len(keys))])
		}
	}
}

// mutate changes, adds, removes or moves something.
func (f *fuzzer) mutate(root map[string]any) {
	switch v := f.descend(root).(type) {
	case map[string]any:
		keys := keysOf(v)
		if len(keys) == 0 || f.rand.IntN(5) == 0 {
			v[fmt.Sprintf("k%d", f.rand.IntN(3))] = f.scalar("x")
			return
		}
		k := keys[f.rand.IntN(len(keys))]
		if container(v[k]) && f.rand.IntN(3) > 0 {
			return
		}
		if v[k] = f.scalar(v[k]); f.rand.IntN(4) == 0 {
			delete(v, k)
		}
	case []any:
		i, j := f.rand.IntN(len(v)), f.rand.IntN(len(v))
		if v[i], v[j] = v[j], v[i]; i == j {
			v[i] = f.other(v[i])
		}
	}
}

func (f *fuzzer) other(v any) any {
	if m, ok := v.(map[string]any); ok {
		for _, k := range []string{"name", "host", "path", "key", "id"} {
			if _, has := m[k]; has && f.rand.IntN(2) == 0 {
				m[k] = f.scalar(m[k])
				return m
			}
		}
		if keys := keysOf(m); len(keys) > 0 {
			k := keys[f.rand.IntN(len(keys))]
			m[k] = f.scalar(m[k])
		}
		return m
	}
	return f.scalar(v)
}

// scalar returns another value of the same type.
func (f *fuzzer) scalar(v any) any {
	switch v := v.(type) {
	case string:
		return []any{"x", v + "x", "1", "", "9090", "10.1.1.3", "c.example.com"}[f.rand.IntN(7)]
	case bool:
		return !v
	case int64:
		return v + int64(f.rand.IntN(3)) - 1
	case float64:
		return v + 1
	}
	return v
}

// await waits until a kind that was just defined is served.
func (f *fuzzer) await(gvr schema.GroupVersionResource) {
	for try := 0; ; try++ {
		_, err := f.dyn.Resource(gvr).Namespace(f.space).List(context.Background(), metav1.ListOptions{})
		if err == nil {
			return
		}
		if !apierrors.IsNotFound(err) || try > 200 {
			f.t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at a condition
	}
}
