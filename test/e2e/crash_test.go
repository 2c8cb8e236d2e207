package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/test/cluster"
)

// kills is how often TestKillAtAnyMoment kills an agent.
const kills = 30

// An agent that is killed at any moment of a rollout leaves nothing behind that
// its successor does not go on with: each commit gets there, no object is
// orphaned, and no record is there twice.
func TestKillAtAnyMoment(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "kill")
	w.environment("{name: one, chart: charts/web, values: [one.yaml]}", "{name: two, chart: charts/web, values: [two.yaml], dependsOn: [one]}",
		"{name: defs, chart: charts/defs}")
	values := func(n int) {
		// The extra ConfigMap has another name each time: the former one is an
		// orphan if it is forgotten.
		for _, release := range []string{"one", "two"} {
			w.write("environments/prod/"+release+".yaml", fmt.Sprintf("tag: v%d\nextra: [%s-extra-%d]\n", n, release, n))
		}
		// So has the kind that a CRD defines, which comes with its first object.
		w.write("charts/defs/Chart.yaml", "apiVersion: v2\nname: defs\nversion: 1.0.0\n")
		w.write("charts/defs/crds/crd.yaml", definition(n))
		w.write("charts/defs/templates/object.yaml", fmt.Sprintf("apiVersion: kill.example.com/v1\nkind: Kill%d\nmetadata: {name: it}\nspec: {n: %d}\n", n, n))
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 0))
	killed := 0
	for n := 1; killed < kills; n++ {
		values(n)
		head := w.commit(fmt.Sprintf("Version %d", n))
		for range 3 {
			p := w.agent("data")
			time.Sleep(time.Duration(chance.IntN(900)) * time.Millisecond) // the moment is what varies
			p.kill()
			killed++
		}
		p := w.agent("data")
		w.await(head, "applied")
		p.kill()
		w.checkWorld(n)
	}
}

func definition(n int) string {
	return fmt.Sprintf(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: kill%[1]ds.kill.example.com}
spec:
  group: kill.example.com
  scope: Namespaced
  names: {kind: Kill%[1]d, plural: kill%[1]ds, singular: kill%[1]d, listKind: Kill%[1]dList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {n: {type: integer}}}}}}
`, n)
}

// checkWorld holds the namespace to version n and nothing else.
func (w *world) checkWorld(n int) {
	w.t.Helper()
	tag := fmt.Sprintf("example.com/web:v%d", n)
	if images := w.images(); len(images) != 2 || images["one"] != tag || images["two"] != tag {
		w.t.Fatalf("images are %v, not %s", images, tag)
	}
	maps, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).List(context.Background(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range maps.Items {
		if strings.Contains(m.Name, "-extra-") && !strings.HasSuffix(m.Name, fmt.Sprintf("-extra-%d", n)) {
			w.t.Fatalf("ConfigMap %s is an orphan at version %d", m.Name, n)
		}
	}
	for _, release := range []string{"one", "two", "defs"} {
		w.checkRecords(release)
	}
	w.checkKinds(n)
}

// checkKinds holds the namespace to the object of version n's kind alone.
func (w *world) checkKinds(n int) {
	w.t.Helper()
	for i := 1; i <= n; i++ {
		path := fmt.Sprintf("/apis/kill.example.com/v1/namespaces/%s/kill%ds/it", w.name, i)
		err := w.cluster.Kube.Discovery().RESTClient().Get().AbsPath(path).Do(context.Background()).Error()
		if (err == nil) != (i == n) {
			w.t.Fatalf("the object of kind Kill%d at version %d: %v", i, n, err)
		}
	}
}

// checkRecords holds a release to one deployed record, the newest.
func (w *world) checkRecords(release string) {
	w.t.Helper()
	helm, err := cluster.Binary("helm")
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := exec.Command(helm, "history", release, "--namespace", w.name, "--kubeconfig", w.cluster.Kubeconfig, "--output", "json").CombinedOutput()
	if err != nil {
		w.t.Fatalf("helm history: %v\n%s", err, out)
	}
	var records []struct {
		Revision int
		Status   string
	}
	if err := json.Unmarshal(out, &records); err != nil {
		w.t.Fatal(err)
	}
	for i, r := range records {
		if i > 0 && r.Revision <= records[i-1].Revision {
			w.t.Fatalf("records are not in order: %+v", records)
		}
		if (r.Status == "deployed") != (i == len(records)-1) {
			w.t.Fatalf("release %s: not the newest record alone is deployed: %+v", release, records)
		}
	}
}

// A hook that has ended before the agent dies does not run again, and the one that it
// died in is waited for.
func TestKillInAHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "killhook")
	w.environment("{name: web, chart: charts/hooked, values: [web.yaml]}")
	w.write("environments/prod/web.yaml", "tag: v1\n")
	w.write("charts/hooked/Chart.yaml", "apiVersion: v2\nname: hooked\nversion: 1.0.0\n")
	w.write("charts/hooked/templates/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {tag: {{ .Values.tag }}}\n")
	w.write("charts/hooked/templates/hooks.yaml", `{{- range $weight, $job := list "first" "second" }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $job }}
  annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-weight: "{{ $weight }}"}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: hook, image: "example.com/hook:{{ $.Values.tag }}{{ if $weight }}-slow{{ end }}"}]}}
{{- end }}
`)
	head := w.commit("First")
	p := w.agent("data")
	w.await(head, "applied")
	w.write("environments/prod/web.yaml", "tag: v2\n")
	head = w.commit("Second")
	jobs := w.cluster.Kube.BatchV1().Jobs(w.name)
	var running *batchv1.Job
	w.eventually(func() (err error) {
		running, err = jobs.Get(context.Background(), "second", metav1.GetOptions{})
		return err
	})
	first, err := jobs.Get(context.Background(), "first", metav1.GetOptions{})
	if err != nil || first.Status.Succeeded != 1 {
		t.Fatalf("the first hook has not ended when the second begins: %+v, %v", first.Status, err)
	}
	p.kill()
	w.agent("data")
	w.await(head, "applied")
	again, err := jobs.Get(context.Background(), "first", metav1.GetOptions{})
	if err != nil || again.UID != first.UID {
		t.Errorf("the first hook ran twice: %v", err)
	}
	second, err := jobs.Get(context.Background(), "second", metav1.GetOptions{})
	if err != nil || second.Status.Succeeded != 1 {
		t.Errorf("the second hook did not end: %+v, %v", second, err)
	}
	if second.UID != running.UID {
		t.Error("the second hook was started again")
	}
	w.checkRecords("web")
}
