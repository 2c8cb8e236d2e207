package fields_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const autoscaled = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  $REPLICAS
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example.com/web:$TAG"}]}
---
$MORE`

func autoscaledWith(replicas, tag, more string) string {
	return strings.NewReplacer("$REPLICAS", replicas, "$TAG", tag, "$MORE", more).Replace(autoscaled)
}

const (
	hpa          = "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: $MIN, maxReplicas: 9}}"
	scaledObject = "{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, metadata: {name: web}, spec: {scaleTargetRef: {name: web}, maxReplicaCount: 9}}"
)

func scalerOf(least int) string { return strings.ReplaceAll(hpa, "$MIN", fmt.Sprint(least)) }

// numbers follows how many replicas the Deployment web is to have, until the test ends.
func (w *world) numbers() func() []int32 {
	w.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	w.t.Cleanup(stop)
	stream, err := w.server.Kube.AppsV1().Deployments(w.space).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=web"})
	if err != nil {
		w.t.Fatal(err)
	}
	var mu sync.Mutex
	var seen []int32
	var version string
	go func() {
		for e := range stream.ResultChan() {
			if d, ok := e.Object.(*appsv1.Deployment); ok && d.Spec.Replicas != nil {
				mu.Lock()
				seen, version = append(seen, *d.Spec.Replicas), d.ResourceVersion
				mu.Unlock()
			}
		}
	}()
	return func() []int32 {
		w.until("the watch has caught up", func() bool {
			now := w.get("deployment/web").GetResourceVersion()
			mu.Lock()
			defer mu.Unlock()
			return version == now
		})
		mu.Lock()
		defer mu.Unlock()
		return slices.Compact(slices.Clone(seen))
	}
}

func (w *world) scaledTo(n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("%d replicas", n), func() bool { return w.field("deployment/web", "{.spec.replicas}") == fmt.Sprint(n) })
}

// An autoscaler that comes, or goes, with a commit leaves the number as it is until it
// sets another one, or git does.
func TestTheNumberOfReplicasIsKept(t *testing.T) {
	for sentence, c := range map[string]struct {
		prepare func(w *world)
		steps   []string // applied one after the other
		never   int32    // fewer than that
		want    string
	}{
		"an autoscaler comes, and replicas goes": {
			steps: []string{autoscaledWith("replicas: 5", "v1", ""), autoscaledWith("", "v1", scalerOf(2)), autoscaledWith("", "v2", scalerOf(2))}, never: 5, want: "5"},
		"an autoscaler comes, and replicas is null": {
			steps: []string{autoscaledWith("replicas: 5", "v1", ""), autoscaledWith("replicas: null", "v2", scalerOf(2))}, never: 5, want: "5"},
		"an autoscaler comes to what was scaled by hand": {
			prepare: func(w *world) {
				w.deploy(autoscaledWith("replicas: 2", "v1", ""))
				w.kubectl("scale", "deployment/web", "--replicas=6")
			},
			steps: []string{autoscaledWith("", "v1", scalerOf(2))}, never: 6, want: "6"},
		"an autoscaler comes with what Helm installed": {
			prepare: func(w *world) { w.helm(autoscaledWith("replicas: 5", "v1", "")) },
			steps:   []string{autoscaledWith("", "v2", scalerOf(2)), autoscaledWith("", "v3", scalerOf(2))}, never: 5, want: "5"},
		"an autoscaler goes, that has scaled, and replicas comes": {
			prepare: func(w *world) { w.deploy(autoscaledWith("", "v1", scalerOf(5))); w.scaledTo(5) },
			steps:   []string{autoscaledWith("replicas: 3", "v2", "")}, never: 3, want: "3"},
		"an autoscaler goes, that has not scaled, and replicas comes": {
			prepare: func(w *world) {
				w.deploy(autoscaledWith("replicas: 5", "v1", ""))
				w.deploy(autoscaledWith("", "v1", scalerOf(2)))
			},
			steps: []string{autoscaledWith("replicas: 3", "v2", "")}, never: 3, want: "3"},
		"an autoscaler goes, that has scaled, and nothing comes": {
			prepare: func(w *world) { w.deploy(autoscaledWith("", "v1", scalerOf(5))); w.scaledTo(5) },
			steps:   []string{autoscaledWith("", "v2", ""), autoscaledWith("", "v3", "")}, never: 5, want: "5"},
		"an autoscaler goes, that has not scaled, and nothing comes": {
			prepare: func(w *world) {
				w.deploy(autoscaledWith("replicas: 5", "v1", ""))
				w.deploy(autoscaledWith("", "v1", scalerOf(2)))
			},
			steps: []string{autoscaledWith("", "v2", ""), autoscaledWith("", "v3", "")}, never: 5, want: "5"},
		"KEDA comes, and replicas goes": {
			prepare: func(w *world) { w.keda() },
			steps:   []string{autoscaledWith("replicas: 5", "v1", ""), autoscaledWith("", "v1", scaledObject), autoscaledWith("", "v2", scaledObject)}, never: 5, want: "5"},
		"KEDA goes, with its autoscaler, and replicas comes": {
			prepare: func(w *world) {
				w.keda()
				w.deploy(autoscaledWith("", "v1", scaledObject))
				uid := w.get("scaledobject/web").GetUID()
				w.pipe(strings.Replace(scalerOf(5), "{name: web}", "{name: keda-hpa-web, ownerReferences: [{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: web, uid: "+string(uid)+"}]}", 1), "create", "--filename", "-")
				w.scaledTo(5)
			},
			steps: []string{autoscaledWith("replicas: 3", "v2", "")}, never: 3, want: "3"},
		"without an autoscaler, what a chart no longer says goes back to its default, as with Helm": {
			steps: []string{autoscaledWith("replicas: 5", "v1", ""), autoscaledWith("", "v2", "")}, never: 1, want: "1"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			if c.prepare != nil {
				c.prepare(w)
			}
			numbers := w.numbers()
			for _, s := range c.steps {
				w.deploy(s)
			}
			w.holds("deployment/web", "{.spec.replicas}", c.want)
			if seen := numbers(); slices.Min(seen) < c.never {
				t.Errorf("it had %v replicas", seen)
			}
		})
	}
}

// What an autoscaler sets between the plan and the write stays.
func TestANumberThatComesBetweenPlanAndWriteStays(t *testing.T) {
	for sentence, c := range map[string]struct {
		before, after string
		between       func(w *world)
	}{
		"of an autoscaler that had not scaled before": {
			before: autoscaledWith("", "v1", scalerOf(2)), after: autoscaledWith("", "v2", scalerOf(2)),
			between: func(w *world) { w.kubectl("scale", "deployment/web", "--replicas=7") },
		},
		"of an autoscaler that came meanwhile": {
			before: autoscaledWith("replicas: 5", "v1", ""), after: autoscaledWith("replicas: 5", "v2", ""),
			between: func(w *world) {
				w.pipe(scalerOf(7), "create", "--filename", "-")
				w.scaledTo(7)
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			w.deploy(autoscaledWith("replicas: 5", "v0", ""))
			w.deploy(c.before)
			w.holds("deployment/web", "{.spec.replicas}", "5")
			want := w.parse(c.after)
			plan, err := w.plan(want)
			if err != nil {
				t.Fatal(err)
			}
			c.between(w)
			numbers := w.numbers()
			if err := w.cluster.Executor.Apply(context.Background(), context.Background(), w.owner, plan, nil); err != nil {
				t.Fatal(err)
			}
			w.holds("deployment/web", "{.spec.template.spec.containers[0].image}", "example.com/web:v2")
			if seen := numbers(); slices.Min(seen) < 7 {
				t.Errorf("it had %v replicas", seen)
			}
			w.past = want
			w.inPlace(c.after)
		})
	}
}

// keda brings the kind of KEDA's that makes autoscalers.
func (w *world) keda() {
	w.t.Helper()
	w.pipe(`{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: scaledobjects.keda.sh}, spec: {group: keda.sh, scope: Namespaced,
  names: {plural: scaledobjects, singular: scaledobject, kind: ScaledObject}, versions: [{name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}`,
		"apply", "--server-side", "--filename", "-")
	w.kubectl("wait", "--for=condition=Established", "crd/scaledobjects.keda.sh")
	w.until("it is served", func() bool {
		return strings.Contains(w.kubectl("api-resources", "--api-group=keda.sh"), "scaledobjects")
	})
	w.cluster.Rediscover()
}

// Who may not read autoscalers is told so once, and goes on at once.
func TestAutoscalersThatMayNotBeRead(t *testing.T) {
	w := newWorldAs(t, "limited")
	w.pipe(`
{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: web}, rules: [{apiGroups: [apps], resources: [deployments], verbs: ['*']}]}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: web}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}, subjects: [{kind: User, apiGroup: rbac.authorization.k8s.io, name: limited}]}`,
		"create", "--namespace", w.space, "--filename", "-")
	var all []string
	for i := range 20 {
		all = append(all, strings.ReplaceAll(autoscaledWith("replicas: 0", "v1", ""), "name: web}", fmt.Sprintf("name: web-%d}", i)))
	}
	w.deploy(strings.Join(all, "\n---\n"))
	blind := w.cluster.Unwatchable()
	if len(blind) != 1 || blind[0].Kind.Kind != "HorizontalPodAutoscaler" {
		t.Fatalf("%v", blind)
	}
	requests := 0
	for line := range strings.Lines(w.audit()) {
		if strings.Contains(line, "/namespaces/"+w.space+"/horizontalpodautoscalers") {
			requests++
		}
	}
	// The watch asks again with a growing pause: two requests a time, however many Deployments
	// wait for the answer.
	if requests == 0 || requests > len(all)/2 {
		t.Errorf("%d requests for the autoscalers of %d Deployments", requests, len(all))
	}
}
