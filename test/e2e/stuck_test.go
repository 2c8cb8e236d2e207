package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/xetys/tether/test/cluster"
	"github.com/xetys/tether/test/faults"
)

// event is one entry of tether history.
type event struct {
	Commit, Subject, Verdict, Reason string
	Started, Finished                time.Time
	Releases                         []struct {
		Name, Action, Outcome, Reason string
		Revision                      int
	}
}

// history returns what is told of each commit.
func (w *world) history() map[string]event {
	w.t.Helper()
	cmd := exec.Command(w.tether, "history", "prod", "-o", "json", "--kubeconfig", w.cluster.Kubeconfig, "--namespace", w.name+"-system")
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("history: %v", err)
	}
	var all []event
	if err := json.Unmarshal(out, &all); err != nil {
		w.t.Fatal(err)
	}
	byCommit := map[string]event{}
	for _, e := range all {
		byCommit[e.Commit] = e
	}
	return byCommit
}

// verdict holds one commit, which need not be the head, to a verdict and a reason.
func (w *world) verdict(commit, verdict, reason string) error {
	e, there := w.history()[commit]
	if !there || e.Verdict != verdict || !strings.Contains(e.Reason, reason) {
		return fmt.Errorf("commit %.7s is %s: %s; want %s: %s", commit, e.Verdict, e.Reason, verdict, reason)
	}
	return nil
}

// within is eventually with less patience.
func (w *world) within(limit time.Duration, check func() error) {
	w.t.Helper()
	was := w.patience
	w.patience = limit
	defer func() { w.patience = was }()
	w.eventually(check)
}

// stuck is a world whose release web is in the middle of a rollout that never ends:
// its hook, a Job, or its Deployment is what never does.
type stuck struct {
	*world
	bump  string
	began time.Time // when what never ends began
	mu    sync.Mutex
	uids  []string // the hook's Jobs since the bump
}

// stages are what of a rollout may never end, by the values that make it so.
var stages = map[string]string{"hook": "hook: v2-neverready", "web": "tag: v2-neverready"}

// eachStage runs a test for each of the stages, with an agent that has begun.
func eachStage(t *testing.T, name string, test func(s *stuck, start func(more ...string) *process)) {
	for stage, values := range stages {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, name+stage)
			w.write("charts/hooked/Chart.yaml", "apiVersion: v2\nname: hooked\nversion: 1.0.0\n")
			w.write("charts/hooked/templates/all.yaml", hookedChart)
			w.environment("{name: web, chart: charts/hooked, values: [web.yaml], timeout: 20s}")
			w.write("environments/prod/web.yaml", "tag: v1\n")
			s := &stuck{world: w}
			test(s, func(more ...string) *process {
				p := w.agent("data", more...)
				w.await(w.commit("First"), "applied")
				s.watchHook()
				w.write("environments/prod/web.yaml", values+"\n")
				s.bump = w.commit("Bump")
				s.begins(stage)
				return p
			})
		})
	}
}

const hookedChart = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "example.com/web:{{ .Values.tag | default "v2" }}"}]}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {helm.sh/hook: pre-upgrade}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, containers: [{name: hook, image: "example.com/hook:{{ .Values.hook | default "v1" }}"}]}}
`

// watchHook notes every Job of the hook from now on.
func (s *stuck) watchHook() {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.t.Cleanup(cancel)
	jobs := s.cluster.Kube.BatchV1().Jobs(s.name)
	// A watch from no version on begins with what is there, which would be counted as
	// if it were made now.
	now, err := jobs.List(ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	stream, err := jobs.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=migrate", ResourceVersion: now.ResourceVersion})
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		for e := range stream.ResultChan() {
			if meta, ok := e.Object.(metav1.Object); ok && e.Type == watch.Added {
				s.mu.Lock()
				s.uids = append(s.uids, string(meta.GetUID()))
				s.mu.Unlock()
			}
		}
	}()
}

func (s *stuck) ran() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.uids)
}

// begins waits until what never ends has begun.
func (s *stuck) begins(stage string) {
	s.t.Helper()
	s.eventually(func() error {
		if image := s.images()["web"]; stage == "web" && image != "example.com/web:v2-neverready" {
			return fmt.Errorf("the rollout has not begun: %s", image)
		}
		if len(s.ran()) == 0 {
			return fmt.Errorf("the hook has not begun")
		}
		return nil
	})
	s.began = time.Now()
}

// until lets time pass until that long after the rollout began: the moment is what
// is tried.
func (s *stuck) until(after time.Duration) { time.Sleep(time.Until(s.began.Add(after))) }

// check holds the rollout to its end by its time-out, to the verdict of its own
// commit, and its hook to one run.
func (s *stuck) check() {
	s.t.Helper()
	s.checkWithin(rolloutTimeout)
}

// checkWithin is check for another time-out.
func (s *stuck) checkWithin(timeout time.Duration) {
	s.t.Helper()
	s.eventually(func() error { return s.verdict(s.bump, "rolled-back", "web: ") })
	took := time.Since(s.began)
	s.t.Logf("it ended after %s", took.Round(100*time.Millisecond))
	if took < timeout-2*time.Second || took > timeout+lateness {
		s.t.Errorf("it ended after %s, want %s", took.Round(100*time.Millisecond), timeout)
	}
	if uids := s.ran(); len(uids) != 1 {
		s.t.Errorf("the hook ran %d times: %v", len(uids), uids)
	}
	if image := s.images()["web"]; image != "example.com/web:v1" {
		s.t.Errorf("web runs %s", image)
	}
}

// stop asks an agent to end, and waits for it.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-p.done
}

// run runs tether as people do.
func (w *world) run(args ...string) string {
	w.t.Helper()
	out, err := exec.Command(w.tether, append(args, "--kubeconfig", w.cluster.Kubeconfig, "--namespace", w.name+"-system")...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("tether %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// proxied starts a fault proxy, and returns it with the flag that has an agent go
// through it.
func proxied(t *testing.T) (*faults.Proxy, []string) {
	t.Helper()
	p, err := faults.Start(cluster.Shared(t).Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	file := filepath.Join(t.TempDir(), "faults.kubeconfig")
	if err := p.Kubeconfig(file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("writes:\n%s", lines(p.Requests(faults.Match{Verbs: []string{"write"}})))
		}
	})
	return p, []string{"--kubeconfig", file}
}
