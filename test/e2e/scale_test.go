package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fifty releases with a chain of ten: none starts before those that it depends on
// are healthy, and those that don't depend on each other go side by side.
func TestFiftyReleasesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "fifty")
	after := map[string][]string{}
	var lines []string
	for i := range 50 {
		name := fmt.Sprintf("r%02d", i)
		switch {
		case i > 0 && i < 10: // the chain
			after[name] = []string{fmt.Sprintf("r%02d", i-1)}
		case i >= 10: // a wide graph beside it
			after[name] = []string{fmt.Sprintf("r%02d", i/5), fmt.Sprintf("r%02d", i/3)}
		}
		lines = append(lines, fmt.Sprintf("{name: %s, chart: charts/web, dependsOn: [%s]}", name, strings.Join(after[name], ", ")))
	}
	w.environment(lines...)
	head := w.commit("Fifty")
	started := time.Now()
	w.agent("data")
	w.await(head, "applied")
	t.Logf("fifty releases after %s", time.Since(started).Round(100*time.Millisecond))

	history := w.requests()
	for name, dependencies := range after {
		for _, d := range dependencies {
			if begun, healthy := history.created[name], history.concluded[d]; begun.IsZero() || healthy.IsZero() || begun.Before(healthy) {
				t.Errorf("%s was begun at %s, before %s, on which it depends, was healthy at %s", name, begun, d, healthy)
			}
			if begun, up := w.createdAt(name), w.availableAt(d); begun.Before(up) {
				t.Errorf("Deployment %s was created at %s, before %s was available at %s", name, begun, d, up)
			}
		}
	}
	if n := history.overlaps(); n == 0 {
		t.Error("no two releases were ever under way at the same time")
	}
}

// requests are what the API server's audit log says of Helm records: when each
// release's first record was created, and when it was concluded as deployed.
type requests struct{ created, concluded map[string]time.Time }

type auditEvent struct {
	Verb, RequestURI         string
	RequestReceivedTimestamp time.Time
	StageTimestamp           time.Time
	UserAgent                string
	ObjectRef                struct{ Resource, Namespace, Name string }
	User, ImpersonatedUser   struct{ Username string }
	ResponseStatus           struct{ Code int }
}

func (w *world) requests() requests {
	w.t.Helper()
	r := requests{map[string]time.Time{}, map[string]time.Time{}}
	w.audit(func(e auditEvent) {
		if e.ObjectRef.Namespace != w.name {
			return
		}
		name, isRecord := strings.CutPrefix(e.ObjectRef.Name, "sh.helm.release.v1.")
		name = strings.TrimSuffix(name, ".v1")
		switch {
		case isRecord && e.Verb == "create":
			r.created[name] = e.RequestReceivedTimestamp
		case isRecord && e.Verb == "update":
			r.concluded[name] = e.StageTimestamp
		}
	})
	return r
}

// audit calls see for every request that the API server has answered.
func (w *world) audit(see func(auditEvent)) {
	w.t.Helper()
	f, err := os.Open(w.cluster.AuditLog)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e auditEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			continue // the last line may be half written
		}
		see(e)
	}
	if err := lines.Err(); err != nil {
		w.t.Fatal(err)
	}
}

// overlaps counts pairs of releases that were under way at the same time.
func (r requests) overlaps() int {
	n := 0
	for a, began := range r.created {
		for b := range r.created {
			if a < b && r.created[b].Before(r.concluded[a]) && began.Before(r.concluded[b]) {
				n++
			}
		}
	}
	return n
}

func (w *world) createdAt(name string) time.Time {
	w.t.Helper()
	d, err := w.cluster.Kube.AppsV1().Deployments(w.name).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return d.CreationTimestamp.Time
}

func (w *world) availableAt(name string) time.Time {
	w.t.Helper()
	d, err := w.cluster.Kube.AppsV1().Deployments(w.name).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range d.Status.Conditions {
		if c.Type == "Available" && c.Status == "True" {
			return c.LastTransitionTime.Time
		}
	}
	w.t.Fatalf("Deployment %s is not available", name)
	return time.Time{}
}

// An agent that finds everything as it should be writes nothing, as the API
// server itself saw it.
func TestSecondLookWritesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "still")
	w.environment("{name: web, chart: charts/web}", "{name: app, chart: charts/web, dependsOn: [web]}")
	w.commit("First")
	w.once()
	mark := time.Now()
	w.once()
	asked := 0
	w.audit(func(e auditEvent) {
		if e.UserAgent != "tether" || e.RequestReceivedTimestamp.Before(mark) ||
			e.ObjectRef.Namespace != w.name && e.ObjectRef.Namespace != w.name+"-system" && e.ObjectRef.Name != w.name {
			return
		}
		asked++
		switch e.Verb {
		case "get", "list", "watch":
			return
		}
		if !strings.Contains(e.RequestURI, "dryRun=All") && !strings.Contains(e.RequestURI, "/leases") { // it holds its Lease meanwhile
			t.Errorf("it wrote: %s %s", e.Verb, e.RequestURI)
		}
	})
	if asked == 0 {
		t.Error("the audit log shows no request of the second look at all")
	}
}

// once runs tether agent --once.
func (w *world) once() {
	w.t.Helper()
	p := w.agent("data", "--once")
	<-p.done
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		w.t.Fatalf("tether agent --once ended with %d", code)
	}
}
