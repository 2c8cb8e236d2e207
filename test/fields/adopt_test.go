package fields_test

import (
	"strings"
	"testing"
)

// several are objects that are not easily changed once they are there.
const several = `
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: web}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: balanced}, spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: web}}
---
{apiVersion: v1, kind: Secret, metadata: {name: token, annotations: {kubernetes.io/service-account.name: web}}, type: kubernetes.io/service-account-token, data: {}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: web}, spec: {replicas: 0, serviceName: web, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "example.com/web:v1"}]}},
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: web}, spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: "example.com/web:v1"}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: web}, spec: {schedule: "0 0 1 1 *", jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: web, image: "example.com/web:v1"}]}}}}}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web}, rules: []}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: web}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}, subjects: [{kind: ServiceAccount, name: web}]}`

// What Helm left is adopted as it is: the managed fields of a create hold the server's
// defaults too, some of which can't be taken away again.
func TestWhatHelmLeftIsAdoptedAsItIs(t *testing.T) {
	w := newWorld(t)
	w.growing() // not as the default class
	w.helm(several)
	w.until("the token is there", func() bool { return w.field("secret/token", "{.data.token}") != "" })
	w.until("the Job has run", func() bool { return w.field("job/web", "{.status.succeeded}") == "1" })
	before := map[string]string{}
	for what, path := range map[string]string{"service/web": "{.spec.clusterIP} {.spec.ports[0].nodePort}", "service/balanced": "{.spec.healthCheckNodePort} {.spec.ports[0].nodePort}",
		"pvc/web": "{.spec}", "secret/token": "{.data.token}", "job/web": "{.metadata.uid}", "statefulset/web": "{.metadata.uid}{.spec.volumeClaimTemplates}"} {
		before[what+" "+path] = w.field(what, path)
	}
	w.deploy(several)
	for k, want := range before {
		what, path, _ := strings.Cut(k, " ")
		w.holds(what, path, want)
	}
}

// What other tools that deliver left belongs to us from the adoption on, and leaves with
// the chart; what they set later is told as foreign.
func TestWhatOtherToolsLeftIsAdopted(t *testing.T) {
	const left = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web, annotations: {meta.helm.sh/release-name: web, meta.helm.sh/release-namespace: $NS}}, data: {kept: a, left: b}}"
	const ours = "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {kept: $V}}"
	for manager, apply := range map[string][]string{
		"kubectl":                {"apply", "--server-side"},
		"kustomize-controller":   {"apply", "--server-side"},
		"argocd-controller":      {"apply", "--server-side"},
		"helm-controller":        {"create"},
		"flux-client-side-apply": {"create"},
		"fleetagent":             {"create"},
		"helm":                   {"apply", "--server-side"},
		"before-first-apply":     {"create"},
	} {
		t.Run(manager, func(t *testing.T) {
			w := newWorld(t)
			w.pipe(left, append(apply, "--field-manager", manager, "--filename", "-")...)
			w.deploy(strings.ReplaceAll(ours, "$V", "a"))
			w.holds("configmap/web", "{.data}", `{"kept":"a"}`)

			if manager == "helm" || manager == "before-first-apply" {
				return // of Helm's, all that comes later is ours again
			}
			w.pipe(strings.ReplaceAll(left, "kept: a, left: b", "later: c"), "apply", "--server-side", "--field-manager", manager, "--filename", "-")
			plan := w.inPlace(strings.ReplaceAll(ours, "$V", "a"))
			if !strings.Contains(plan.String(), "data.later") || !strings.Contains(plan.String(), "by "+manager) {
				t.Errorf("it is not told:\n%s", plan)
			}
			w.owner.Strict = true
			w.deploy(strings.ReplaceAll(ours, "$V", "b"))
			w.holds("configmap/web", "{.data}", `{"kept":"b"}`)
		})
	}
}

// A field that such a tool applies beside us with the same value leaves with the chart.
func TestAFieldThatIsSharedLeaves(t *testing.T) {
	w := newWorld(t)
	w.deploy("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {kept: a, shared: b}}")
	w.pipe("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {shared: b}}", "apply", "--server-side", "--filename", "-")
	w.deploy("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {kept: c, shared: b}}")
	w.deploy("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {kept: c}}")
	w.holds("configmap/web", "{.data}", `{"kept":"c"}`)
}
