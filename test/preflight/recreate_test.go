package preflight_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/xetys/tether/test/cluster"
)

const claim = `
kind: PersistentVolumeClaim
apiVersion: v1
metadata: {name: data, labels: {app: web}, annotations: {tether.stytex.cloud/recreate: "true"}}
spec: {accessModes: [MODE], resources: {requests: {storage: SIZE}}}
`

func claimOf(mode, size string) string {
	return strings.NewReplacer("MODE", mode, "SIZE", size).Replace(claim)
}

func (w *world) uid(kind, version, name string) types.UID {
	w.t.Helper()
	live := w.get(kind, version, name)
	if live == nil {
		w.t.Fatalf("%s %s is not there", kind, name)
	}
	return live.GetUID()
}

// keeps holds an object to be the same one after something was done.
func (w *world) keeps(kind, version, name string, do func()) {
	w.t.Helper()
	before := w.uid(kind, version, name)
	do()
	if live := w.get(kind, version, name); live == nil || live.GetUID() != before || live.GetDeletionTimestamp() != nil {
		w.t.Errorf("%s %s was deleted", kind, name)
	}
}

const policy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: $NS}
spec:
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $NS}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [persistentvolumeclaims]}]
  validations: [{expression: "!('ReadWriteMany' in object.spec.accessModes)", message: no sharing here}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: $NS}
spec: {policyName: $NS, validationActions: [Deny]}
`

// inForce waits until a policy denies what it is to deny.
func (w *world) inForce() {
	w.t.Helper()
	probe := w.parse("{kind: PersistentVolumeClaim, apiVersion: v1, metadata: {name: probe}, spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}}")[0]
	w.until("the policy denies", func() bool {
		_, err := w.api(probe.Unstructured).Create(context.Background(), probe.Unstructured, metav1.CreateOptions{DryRun: []string{"All"}})
		return err != nil && strings.Contains(err.Error(), "no sharing here")
	})
}

func TestNothingIsDeletedWhoseSuccessorIsDenied(t *testing.T) {
	w := newWorld(t, "")
	w.apply(claimOf("ReadWriteOnce", "1Gi"))
	w.person(policy)
	w.inForce()
	w.keeps("PersistentVolumeClaim", "v1", "data", func() {
		w.refused(claimOf("ReadWriteMany", "1Gi"), "", "it can't be changed in place, and is not deleted, since a new one would be refused")
	})
}

// The policy comes between the preflight and the write.
func TestNothingIsDeletedThatIsDeniedByNow(t *testing.T) {
	w := newWorld(t, "")
	w.apply(claimOf("ReadWriteOnce", "1Gi"))
	plan := w.plan(claimOf("ReadWriteMany", "1Gi"), "")
	if !strings.Contains(plan.String(), "recreate") {
		t.Fatalf("it is not recreated:\n%s", plan)
	}
	w.person(policy)
	w.inForce()
	w.keeps("PersistentVolumeClaim", "v1", "data", func() {
		if err := w.cluster.Executor.Apply(t.Context(), t.Context(), w.owner, plan, nil); err == nil || !strings.Contains(err.Error(), "no sharing here") {
			t.Errorf("applying it: %v", err)
		}
	})
}

func TestAQuotaIsReckonedWithWhatTheOldOneFrees(t *testing.T) {
	w := newWorldOn(t, cluster.Start(t), "")
	w.apply(claimOf("ReadWriteOnce", "1Gi"))
	limits := w.parse("{kind: ResourceQuota, apiVersion: v1, metadata: {name: q}, spec: {hard: {persistentvolumeclaims: 1, requests.storage: 2Gi}}}")[0]
	if _, err := w.api(limits.Unstructured).Create(t.Context(), limits.Unstructured, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.counts("1")
	w.keeps("PersistentVolumeClaim", "v1", "data", func() {
		w.refused(claimOf("ReadWriteMany", "3Gi"), "", "exceeded quota")
	})
	before := w.uid("PersistentVolumeClaim", "v1", "data")
	w.apply(claimOf("ReadWriteMany", "2Gi"))
	if w.uid("PersistentVolumeClaim", "v1", "data") == before {
		t.Error("it is the old one still")
	}
}

func TestAServiceKeepsItsPortsOverARecreate(t *testing.T) {
	w := newWorld(t, "")
	const service = `
kind: Service
apiVersion: v1
metadata: {name: web, annotations: {tether.stytex.cloud/recreate: "true"}}
spec: {type: NodePort, clusterIP: ADDRESS, ports: [{port: 80, nodePort: 31907}]}
`
	t.Cleanup(func() { w.deleted("Service", "v1", "web") }) // its port is the cluster's
	w.apply(strings.ReplaceAll(service, "ADDRESS", "10.11.0.17"))
	before := w.uid("Service", "v1", "web")
	w.apply(strings.ReplaceAll(service, "ADDRESS", "10.11.0.18"))
	if w.uid("Service", "v1", "web") == before {
		t.Error("it is the old one still")
	}
	w.keeps("Service", "v1", "web", func() { w.refused(strings.ReplaceAll(service, "ADDRESS", "192.168.1.1"), "", "is not deleted") }) // of no network of the cluster's
}

func TestAJobIsNotDeletedForOneThatIsInvalid(t *testing.T) {
	w := newWorld(t, "")
	const job = "{kind: Job, apiVersion: batch/v1, metadata: {name: once}, spec: {template: {spec: {restartPolicy: POLICY, containers: [{name: a, image: 'example.com/a:TAG'}]}}}}"
	of := func(policy, tag string) string {
		return strings.NewReplacer("POLICY", policy, "TAG", tag).Replace(job)
	}
	w.apply(of("Never", "1"))
	w.keeps("Job", "batch/v1", "once", func() { w.refused(of("Always", "2"), "", "restartPolicy") })
	before := w.uid("Job", "batch/v1", "once")
	w.apply(of("Never", "2"))
	if w.uid("Job", "batch/v1", "once") == before {
		t.Error("it is the old one still")
	}
}

func TestARecreateThatAFinalizerHoldsEndsWithItsTime(t *testing.T) {
	w := newWorld(t, "")
	const held = "{kind: ConfigMap, apiVersion: v1, metadata: {name: held, finalizers: [example.com/x], annotations: {tether.stytex.cloud/recreate: 'true'}}, immutable: true, data: {a: 'VALUE'}}"
	w.apply(strings.ReplaceAll(held, "VALUE", "1"))
	plan := w.plan(strings.ReplaceAll(held, "VALUE", "2")+"\n---\n{kind: ConfigMap, apiVersion: v1, metadata: {name: free}}", "")
	err := w.cluster.Executor.Apply(t.Context(), w.within(time.Second), w.owner, plan, nil)
	if !isUnhealthy(err) || !strings.Contains(err.Error(), "finalizers [example.com/x] hold it") {
		t.Errorf("it ends with: %v", err)
	}
	if w.get("ConfigMap", "v1", "free") == nil {
		t.Error("what is beside it was not applied")
	}
	_, err = w.api(w.object("ConfigMap", "v1", "held")).Patch(context.Background(), "held", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	w.apply(strings.ReplaceAll(held, "VALUE", "2"))
	if got := nested(w.get("ConfigMap", "v1", "held"), "data", "a"); got != "2" {
		t.Errorf("it holds %s", got)
	}
}

func TestWhatIsInTheWayOfANameAloneIsTriedElsewhere(t *testing.T) {
	w := newWorld(t, "")
	w.person(strings.ReplaceAll(singleton, "GROUP", w.space+".example.com"))
	const one = "{kind: One, apiVersion: GROUP/v1, metadata: {name: only, annotations: {tether.stytex.cloud/recreate: 'true'}}, spec: {size: VALUE}}"
	of := func(value string) string {
		return strings.NewReplacer("GROUP", w.space+".example.com", "VALUE", value).Replace(one)
	}
	w.until("the kind is served", func() bool {
		w.cluster.Rediscover()
		return !strings.Contains(w.plan(of("1"), "").String(), "does not serve")
	})
	w.apply(of("1"))
	before := w.uid("One", w.space+".example.com/v1", "only")
	w.apply(of("2"))
	if w.uid("One", w.space+".example.com/v1", "only") == before {
		t.Error("it is the old one still")
	}
}

// singleton is a kind whose objects have one name, and a size that stays.
const singleton = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ones.GROUP}
spec:
  group: GROUP
  scope: Namespaced
  names: {kind: One, plural: ones, singular: one, listKind: OneList}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          x-kubernetes-validations: [{rule: "self.metadata.name == 'only'", message: there is but one, fieldPath: .metadata.name}]
          properties: {metadata: {type: object, properties: {name: {type: string}}}, spec: {type: object, properties: {size: {type: integer, x-kubernetes-validations: [{rule: self == oldSelf}]}}}}
`
