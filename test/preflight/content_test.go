package preflight_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/test/cluster"
)

// inSpaceToCome is a namespace that does not exist yet, with an object in it.
func inSpaceToCome(object string) string {
	return "{kind: Namespace, apiVersion: v1, metadata: {name: $NS-new}}\n---\n" + object
}

const deployment = `
kind: Deployment
apiVersion: apps/v1
metadata: {name: web, namespace: SPACE EXTRA}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: example.com/web, env: [ENV]}]}
`

// What is invalid is refused in a namespace that comes as it is in one that is there.
func TestContentIsJudgedAlikeWhereverItGoes(t *testing.T) {
	w := newWorld(t, "")
	w.person("{kind: ConfigMap, apiVersion: v1, metadata: {name: $NS-taken, namespace: default}, immutable: true, data: {a: b}}")
	of := func(extra, env string) string {
		return strings.NewReplacer("EXTRA", extra, "ENV", env).Replace(deployment)
	}
	for sentence, c := range map[string]struct{ object, reason string }{
		"a duplicate list key":       {of("", "{name: A, value: '1'}, {name: A, value: '2'}"), "duplicate entries for key"},
		"an unknown field":           {strings.Replace(of("", ""), "selector:", "slector: {}\n  selector:", 1), "field not declared in schema"},
		"a value of the wrong kind":  {"{kind: ConfigMap, apiVersion: v1, metadata: {name: x, namespace: SPACE}, data: {a: 1}}", "expected string"},
		"what is missing":            {"{kind: Service, apiVersion: v1, metadata: {name: x, namespace: SPACE}, spec: {}}", "spec.ports: Required value"},
		"an unknown kind":            {"{kind: Gizmo, apiVersion: example.com/v1, metadata: {name: x, namespace: SPACE}}", "nothing of this commit brings it"},
		"an unknown version":         {"{kind: ConfigMap, apiVersion: v7, metadata: {name: x, namespace: SPACE}}", "does not serve /v7, Kind=ConfigMap"},
		"a name that can't be":       {"{kind: ConfigMap, apiVersion: v1, metadata: {name: X_x, namespace: SPACE}}", "RFC 1123"},
		"managed fields":             {of(", managedFields: [{manager: x, operation: Apply}]", ""), "metadata.managedFields is set"},
		"no managed fields":          {of(", managedFields: []", ""), "metadata.managedFields is set"},
		"a UID":                      {of(", uid: abc", ""), "metadata.uid is set"},
		"a resource version":         {of(", resourceVersion: '1'", ""), "metadata.resourceVersion is set"},
		"a resource version of zero": {of(", resourceVersion: '0'", ""), "metadata.resourceVersion is set"},
		"a deletion":                 {of(", deletionTimestamp: '2020-01-01T00:00:00Z'", ""), "metadata.deletionTimestamp is set"},
		"a status of another kind":   {of("", "") + "status: {replicas: many}\n", "expected numeric"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := w.as(t, w.cluster)
			w.refused(strings.ReplaceAll(c.object, "SPACE", w.space), "", c.reason)
			w.refused(inSpaceToCome(strings.ReplaceAll(c.object, "SPACE", "$NS-new")), "", c.reason)
		})
	}
	for sentence, object := range map[string]string{
		"what exists by that name elsewhere": "{kind: ConfigMap, apiVersion: v1, metadata: {name: $NS-taken, namespace: SPACE}, data: {a: c}}",
		"what the server passes over":        of(", generation: 7, creationTimestamp: '2020-01-01T00:00:00Z', selfLink: /a/b", "") + "status: {replicas: 4}\n",
		"nothing where nothing has to be":    of(", uid: null, resourceVersion: '', managedFields: null, creationTimestamp: null", ""),
	} {
		t.Run(sentence+" is fine", func(t *testing.T) {
			w := w.as(t, w.cluster)
			for _, text := range []string{strings.ReplaceAll(object, "SPACE", w.space), inSpaceToCome(strings.ReplaceAll(object, "SPACE", "$NS-new"))} {
				if plan := w.plan(text, ""); len(plan.Refusals()) > 0 {
					t.Errorf("it is refused:\n%s", plan)
				}
			}
		})
	}
}

// An object of a release that exists is refused for the same, and nothing asks for ever.
func TestAnObjectThatIsThereIsRefusedForAResourceVersion(t *testing.T) {
	w := newWorld(t, "")
	const object = "{kind: ConfigMap, apiVersion: v1, metadata: {name: x EXTRA}, data: {a: b}}"
	w.apply(strings.ReplaceAll(object, "EXTRA", ""))
	before := w.sent.Load()
	w.refused(strings.ReplaceAll(object, "EXTRA", ", resourceVersion: '1'"), "", "metadata.resourceVersion is set")
	if sent := w.sent.Load() - before; sent > 10 {
		t.Errorf("it took %d requests", sent)
	}
}

const gadgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.$NS.example.com}
spec:
  group: $NS.example.com
  scope: Namespaced
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}}
    - {name: v1beta1, served: false, storage: false, schema: {openAPIV3Schema: {type: object}}}
`

func gadget(version, spec string) string {
	return "{kind: Gadget, apiVersion: $NS.example.com/" + version + ", metadata: {name: one}, spec: " + spec + "}"
}

func TestAKindComesInTheVersionsThatItsDefinitionServes(t *testing.T) {
	w := newWorld(t, "")
	const served = "serves v1, not v1beta1"
	w.refused(gadgets+"---\n"+gadget("v1beta1", "{size: 1}"), "", served)
	if plan := w.plan(gadgets+"---\n"+gadget("v1", "{size: 1}"), ""); len(plan.Refusals()) > 0 || !strings.Contains(plan.String(), "comes with this commit") {
		t.Fatalf("it is not deferred:\n%s", plan)
	}
	w.apply(gadgets + "---\n" + gadget("v1", "{size: 1}"))
	if w.get("Gadget", w.space+".example.com/v1", "one") == nil {
		t.Error("it was not applied")
	}
	w.refused(gadgets+"---\n"+gadget("v1beta1", "{size: 1}"), "", served)
	space := strings.Replace(gadget("v1", "{size: many}"), "name: one", "name: one, namespace: $NS-new", 1)
	w.refused(inSpaceToCome(gadgets+"---\n"+space), "", "expected numeric")
}

// A definition that was deleted by hand takes its objects with it; both come again.
func TestADefinitionThatWasDeletedComesBack(t *testing.T) {
	w := newWorld(t, "")
	all := gadgets + "---\n" + gadget("v1", "{size: 1}")
	w.apply(all)
	w.deleted("CustomResourceDefinition", "apiextensions.k8s.io/v1", "gadgets."+w.space+".example.com")
	w.until("the kind is gone", func() bool {
		w.cluster.Rediscover()
		return strings.Contains(w.plan(gadget("v1", "{size: 1}"), "").String(), "nothing of this commit brings it")
	})
	w.apply(all)
	if w.get("Gadget", w.space+".example.com/v1", "one") == nil {
		t.Error("it did not come back")
	}
}

func TestAKindThatAProgramBringsIsWaitedFor(t *testing.T) {
	w := newWorld(t, "")
	const operator = "{kind: ConfigMap, apiVersion: v1, metadata: {name: operator, annotations: {tether.stytex.cloud/brings: 'Other.example.org, Gadget.$NS.example.com'}}}"
	text := operator + "\n---\n" + gadget("v1", "{size: 1}")
	plan := w.plan(text, "")
	if len(plan.Refusals()) > 0 || !strings.Contains(plan.String(), "is brought by ConfigMap") {
		t.Fatalf("it is not deferred:\n%s", plan)
	}
	if err := w.cluster.Executor.Apply(t.Context(), w.within(time.Second), w.owner, plan, nil); !isUnhealthy(err) || !strings.Contains(err.Error(), "has not brought its kind yet") {
		t.Errorf("without it: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- w.cluster.Executor.Apply(t.Context(), t.Context(), w.owner, plan, nil) }()
	w.until("the operator is there", func() bool { return w.get("ConfigMap", "v1", "operator") != nil })
	w.person(gadgets) // as the operator does once it runs
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if w.get("Gadget", w.space+".example.com/v1", "one") == nil {
		t.Error("it was not applied")
	}
}

const quota = "{kind: ResourceQuota, apiVersion: v1, metadata: {name: q}, spec: {hard: {persistentvolumeclaims: NUMBER}}}"

// The controller manager counts no quotas while kinds come and go, as they do in other
// tests: those of quotas have a control plane of their own.
func TestAQuotaThatIsRaisedWithTheSameCommit(t *testing.T) {
	w := newWorldOn(t, cluster.Start(t), "")
	of := func(number string) string { return strings.ReplaceAll(quota, "NUMBER", number) + "\n---\n" }
	const one = "{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: NAME}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}"
	first, second := strings.ReplaceAll(one, "NAME", "first"), strings.ReplaceAll(one, "NAME", "second")
	w.apply(of("1") + first)
	w.counts("1")
	w.refused(first+"\n---\n"+second, "", "exceeded quota")
	w.refused(of("1")+first+"\n---\n"+second, "", "exceeded quota")
	w.apply(of("2") + first + "\n---\n" + second)
	if w.get("PersistentVolumeClaim", "v1", "second") == nil {
		t.Error("it was not applied")
	}
}

// counts waits until the quota q counts so many claims. What was made a moment before the
// quota is counted the next time that its limits change: they do every few seconds.
func (w *world) counts(claims string) {
	w.t.Helper()
	began := time.Now()
	n := int64(0)
	w.until("the quota counts", func() bool {
		if turn := int64(time.Since(began) / (5 * time.Second)); turn > n {
			n = turn
			w.person(fmt.Sprintf("{kind: ResourceQuota, apiVersion: v1, metadata: {name: q}, spec: {hard: {count/configmaps: %d}}}", 1000+n))
		}
		return nested(w.get("ResourceQuota", "v1", "q"), "status", "used", "persistentvolumeclaims") == claims
	})
}

const limited = `
kind: ClusterRole
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: $NS}
rules:
  - {apiGroups: [""], resources: [configmaps, serviceaccounts, secrets, namespaces, pods], verbs: [get, list, watch, create, update, patch, delete]}
  - {apiGroups: [rbac.authorization.k8s.io], resources: [roles, rolebindings], verbs: [get, list, watch, create, update, patch, delete]}
---
kind: ClusterRoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: $NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: $NS}
subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: $NS}]
`

const roleAndBinding = `
kind: RoleBinding
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: binding}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: role}
subjects: [{kind: ServiceAccount, name: account}]
---
kind: Role
apiVersion: rbac.authorization.k8s.io/v1
metadata: {name: role}
rules: [{apiGroups: [""], resources: [RESOURCE], verbs: [get]}]
---
kind: ServiceAccount
apiVersion: v1
metadata: {name: account}
---
kind: Pod
apiVersion: v1
metadata: {name: pod}
spec: {serviceAccountName: account, containers: [{name: a, image: example.com/a}]}
`

// An agent that may not grant more than it has brings a role and its binding at once.
func TestARoleAndItsBindingInOneCommit(t *testing.T) {
	admin := newWorld(t, "")
	admin.person(limited)
	w := admin.as(t, admin.connect(admin.space))
	w.until("the permission is known", func() bool {
		_, err := w.cluster.Surveyor.Survey(t.Context(), w.parse("{kind: ConfigMap, apiVersion: v1, metadata: {name: x}}"), nil, plan.Provisions{})
		return err == nil
	})
	w.refused(strings.ReplaceAll(roleAndBinding, "RESOURCE", "nodes"), "", "attempting to grant RBAC permissions not currently held")
	w.apply(strings.ReplaceAll(roleAndBinding, "RESOURCE", "configmaps"))
	if w.get("RoleBinding", "rbac.authorization.k8s.io/v1", "binding") == nil || w.get("Pod", "v1", "pod") == nil {
		t.Error("it was not all applied")
	}
}
