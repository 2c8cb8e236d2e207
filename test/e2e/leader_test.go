package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/test/faults"
)

// handover is the promise: a leader that is killed is followed within this time.
const handover = 20 * time.Second

// Of two replicas one leads, and when it is killed in the middle of a rollout, the
// other goes on with it.
func TestLeaderIsFollowedInTheMiddleOfARollout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "leader")
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	w.write("environments/prod/web.yaml", "tag: v1\n")
	head := w.commit("First")
	// Data folders of their own: replicas on two machines share none.
	replicas := map[string]*process{"a": w.agent("a"), "b": w.agent("b")}
	w.await(head, "applied")
	leader, other := "a", "b"
	if leads(replicas["b"]) {
		leader, other = "b", "a"
	}
	if leads(replicas[other]) {
		t.Fatal("both replicas lead")
	}

	// Pods that take five seconds keep the rollout under way.
	w.write("environments/prod/web.yaml", "tag: v2-slow\n")
	head = w.commit("Slow")
	w.eventually(func() error {
		if image := w.images()["web"]; image != "example.com/web:v2-slow" {
			return fmt.Errorf("the rollout has not begun: %s", image)
		}
		return nil
	})
	killed := time.Now()
	replicas[leader].kill()
	w.eventually(func() error {
		if !leads(replicas[other]) {
			return fmt.Errorf("replica %s does not lead", other)
		}
		return nil
	})
	took := time.Since(killed)
	t.Logf("handed over after %s", took.Round(time.Millisecond))
	if took > handover {
		t.Errorf("the handover took %s, more than %s", took, handover)
	}
	w.await(head, "applied")
	w.checkRecords("web")
}

func leads(p *process) bool { return strings.Contains(p.text(), "leading") }

// A replica that is asked to end gives its Lease back, and is followed at once.
func TestLeaderThatStopsHandsOverAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "resign")
	w.environment("{name: web, chart: charts/web}")
	head := w.commit("First")
	first := w.agent("a")
	w.await(head, "applied")
	second := w.agent("b")
	stopped := time.Now()
	if err := first.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-first.done
	w.eventually(func() error {
		if !leads(second) {
			return fmt.Errorf("the second does not lead")
		}
		return nil
	})
	t.Logf("handed over after %s", time.Since(stopped).Round(time.Millisecond))
	if took := time.Since(stopped); took > 10*time.Second {
		t.Errorf("the handover took %s", took)
	}
}

// A leader that is stopped in the middle of a rollout, and wakes when another replica has
// applied a newer commit, writes nothing any more.
func TestADeposedLeaderWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "deposed")
	var names []string
	for i := range 400 {
		names = append(names, fmt.Sprintf("part-%d", i))
	}
	values := func(tag string) {
		w.write("environments/prod/web.yaml", fmt.Sprintf("tag: %s\nmessage: %s\nextra: [%s]\n", tag, tag, strings.Join(names, ", ")))
	}
	w.write("charts/web/templates/parts.yaml", "{{- range .Values.extra }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: marked-{{ . }}}\ndata: {mark: {{ $.Values.message }}}\n{{- end }}\n")
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	values("v1")
	head := w.commit("First")
	replicas, proxies := map[string]*process{}, map[string]*faults.Proxy{}
	for _, name := range []string{"a", "b"} {
		proxy, through := proxied(t) // tells the requests of the one from those of the other
		replicas[name], proxies[name] = w.agent(name, through...), proxy
	}
	w.await(head, "applied")
	leader, other := "a", "b"
	if leads(replicas["b"]) {
		leader, other = "b", "a"
	}

	values("v2")
	head = w.commit("Second")
	w.eventually(func() error { // it is in the middle of its writes
		if n := w.marked("v2"); n == 0 {
			return fmt.Errorf("the rollout has not begun")
		}
		return nil
	})
	stop := replicas[leader].cmd.Process
	if err := stop.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.await(head, "applied") // by the other
	values("v3")
	head = w.commit("Third")
	w.await(head, "applied")
	if !leads(replicas[other]) {
		t.Fatal("the other replica does not lead")
	}

	proxies[leader].Forget()
	if err := stop.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() error {
		if !strings.Contains(replicas[leader].text(), "not leading any more") {
			return fmt.Errorf("the former leader does not say that it leads no more")
		}
		return nil
	})
	head = w.commit("Fourth, elsewhere")
	w.await(head, "no-op")
	var wrote []faults.Request
	for _, r := range proxies[leader].Requests(faults.Match{Verbs: []string{"write"}, DryRun: "no"}) {
		switch {
		case r.Resource == "leases":
		case r.Resource == "configmaps" && r.Namespace == w.name+"-system" && r.Code >= 200 && r.Code < 400:
			t.Errorf("it stored its ledger: %s", r)
		default:
			wrote = append(wrote, r)
		}
	}
	// What was handed to the connection before it was stopped is sent when it wakes.
	if len(wrote) > kube.DefaultConcurrency {
		t.Errorf("it wrote %d times:\n%s", len(wrote), lines(wrote))
	}
	t.Logf("%d requests were on their way", len(wrote))
	if n := w.marked("v3"); n != len(names) {
		t.Errorf("%d of %d objects are of the newest commit", n, len(names))
	}
	w.checkRecords("web")
}

// marked counts the ConfigMaps of the chart's parts that carry a mark.
func (w *world) marked(mark string) int {
	w.t.Helper()
	list, err := w.cluster.Kube.CoreV1().ConfigMaps(w.name).List(w.t.Context(), metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	n := 0
	for _, m := range list.Items {
		if m.Data["mark"] == mark {
			n++
		}
	}
	return n
}
