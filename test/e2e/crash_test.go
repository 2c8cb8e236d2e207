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
	w.environment("{name: one, chart: charts/web, values: [one.yaml]}", "{name: two, chart: charts/web, values: [two.yaml], dependsOn: [one]}")
	values := func(n int) {
		// The extra ConfigMap has another name each time: the former one is an
		// orphan if it is forgotten.
		for _, release := range []string{"one", "two"} {
			w.write("environments/prod/"+release+".yaml", fmt.Sprintf("tag: v%d\nextra: [%s-extra-%d]\n", n, release, n))
		}
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
	for _, release := range []string{"one", "two"} {
		w.checkRecords(release)
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
