package e2e_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/test/faults"
)

// The time-out of the rollouts below, and how much later than it a rollout may be
// seen to have failed: a machine that is busy is slow, but restarting the time-out
// costs it all again.
const (
	rolloutTimeout = 20 * time.Second
	lateness       = 12 * time.Second
)

// elsewhere commits what does not concern the environment, every few seconds until
// stop says so, and returns these commits.
func (w *world) elsewhere(path string, every time.Duration, stop func() bool) []string {
	w.t.Helper()
	var commits []string
	next := time.Now()
	for deadline := time.Now().Add(w.patience); !stop(); {
		if time.Now().After(deadline) {
			w.t.Errorf("it goes on after %s", w.patience)
			return commits
		}
		if time.Now().After(next) {
			w.write(path, fmt.Sprintf("Line %d\n", len(commits)))
			commits = append(commits, w.commit(fmt.Sprintf("Elsewhere %d", len(commits))))
			next = time.Now().Add(every)
		}
		time.Sleep(100 * time.Millisecond) // between two looks at a condition
	}
	return commits
}

// checkElsewhere holds commits that change nothing to verdicts of their own. The last
// is held by what failed, or has nothing to do; those before it may have been passed
// over for it.
func (w *world) checkElsewhere(commits []string) {
	w.t.Helper()
	if len(commits) < 2 {
		w.t.Fatalf("%d commits elsewhere are too few to tell", len(commits))
	}
	w.eventually(func() error {
		all := w.history()
		for i, c := range commits {
			e := all[c]
			good := e.Verdict == "no-op" || e.Verdict == "held" || e.Verdict == "superseded" && i < len(commits)-1
			if !good || len(e.Releases) > 0 && e.Releases[0].Action == "upgrade" {
				return fmt.Errorf("commit %.7s (%s) is %s: %s, %+v; want no-op or held, and no action", c, e.Subject, e.Verdict, e.Reason, e.Releases)
			}
		}
		return nil
	})
}

// decided reports whether a commit has a verdict that is one.
func (w *world) decided(commit string) bool {
	v := w.history()[commit].Verdict
	return v != "" && v != "pending" && v != "progressing" && v != "held"
}

// What never ends runs once, and to its time-out, whatever is committed elsewhere
// meanwhile; and its own commit is told of the failure.
func TestDeadlineHoldsThroughCommitsElsewhere(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"readme": "README.md", "other": "environments/other/web.yaml"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStage(t, name, func(s *stuck, start func(more ...string) *process) {
				start()
				commits := s.elsewhere(path, 3*time.Second, func() bool { return s.decided(s.bump) && time.Since(s.began) > rolloutTimeout })
				s.check()
				s.checkElsewhere(commits)
			})
		})
	}
}

// Commits that change another release of the environment reach that one, and interrupt nothing of
// what is under way: it is gone on with, to the same time-out.
func TestDeadlineHoldsThroughCommitsToOthers(t *testing.T) {
	t.Parallel()
	eachStage(t, "others", func(s *stuck, start func(more ...string) *process) {
		start()
		s.write("charts/side/Chart.yaml", "apiVersion: v2\nname: side\nversion: 1.0.0\n")
		s.write("charts/side/templates/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: side}\ndata: {text: {{ .Files.Get \"text\" | quote }}}\n")
		s.environment("{name: web, chart: charts/hooked, values: [web.yaml], timeout: 20s}", "{name: side, chart: charts/side}")
		commits := s.elsewhere("charts/side/text", 3*time.Second, func() bool { return s.decided(s.bump) })
		s.check()
		s.eventually(func() error {
			side, err := s.cluster.Kube.CoreV1().ConfigMaps(s.name).Get(s.t.Context(), "side", metav1.GetOptions{})
			if want := fmt.Sprintf("Line %d\n", len(commits)-1); err != nil || side.Data["text"] != want {
				return fmt.Errorf("side holds %q, %v; want %q", side.Data["text"], err, want)
			}
			return nil
		})
	})
}

// An agent that ends, or is killed, in the middle extends nothing: who follows goes on
// with the same Job, to the same time-out.
func TestDeadlineHoldsThroughRestarts(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*process, *testing.T){"stops": (*process).stop, "kills": func(p *process, _ *testing.T) { p.kill() }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStage(t, name, func(s *stuck, start func(more ...string) *process) {
				p := start()
				for _, at := range []time.Duration{6 * time.Second, 15 * time.Second} {
					s.until(at)
					end(p, t)
					p = s.agent("data")
				}
				s.check()
			})
		})
	}
}

// So does a pause: what it holds up is the agent, not the clock of what runs.
func TestDeadlineHoldsThroughPauses(t *testing.T) {
	t.Parallel()
	eachStage(t, "pauses", func(s *stuck, start func(more ...string) *process) {
		start()
		for _, at := range []time.Duration{5 * time.Second, 14 * time.Second} {
			s.until(at)
			s.run("pause", "prod", "--for", "1h")
			s.eventually(func() error { return s.verdict(s.bump, "held", "paused by") })
			s.run("resume", "prod")
		}
		s.check()
	})
}

// A commit that raises the time-out in the middle has the rollout go on until that, from its
// start.
func TestDeadlineFollowsTheTimeout(t *testing.T) {
	t.Parallel()
	eachStage(t, "raised", func(s *stuck, start func(more ...string) *process) {
		start()
		s.until(5 * time.Second)
		s.environment("{name: web, chart: charts/hooked, values: [web.yaml], timeout: 35s}")
		s.commit("Raise the time-out")
		s.checkWithin(35 * time.Second)
	})
}

// An API server that is away for 13 seconds, longer than the Lease, does not move the
// time-out.
func TestDeadlineHoldsThroughAnOutage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faults.Fault{"resets": {Reset: "before"}, "silent": {Blackhole: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachStage(t, name, func(s *stuck, start func(more ...string) *process) {
				proxy, through := proxied(s.t)
				start(through...)
				s.until(2 * time.Second)
				if err := proxy.Add(faults.Rule{Name: "outage", Fault: fault}); err != nil {
					s.t.Fatal(err)
				}
				proxy.Cut()
				s.until(15 * time.Second)
				proxy.Clear()
				proxy.Cut()
				s.check()
			})
		})
	}
}
