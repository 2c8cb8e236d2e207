package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
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
