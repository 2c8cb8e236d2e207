package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/test/faults"
)

const failingWayBack = hookedChart + `---
apiVersion: batch/v1
kind: Job
metadata:
  name: back
  annotations: {helm.sh/hook: pre-rollback}
spec:
  backoffLimit: 0
  template: {spec: {restartPolicy: Never, containers: [{name: hook, image: "example.com/hook:jobfail"}]}}
`

// A way back whose own hook fails has failed: it is told with both reasons, is not
// tried again by itself, and leaves no more records than are kept; also when git goes
// back afterwards.
func TestWayBackThatFailsEnds(t *testing.T) {
	t.Parallel()
	const kept, window = 4, 5 * time.Second
	w := newWorld(t, "wayback")
	proxy, through := proxied(t)
	w.write("charts/hooked/Chart.yaml", "apiVersion: v2\nname: hooked\nversion: 1.0.0\n")
	w.write("charts/hooked/templates/all.yaml", failingWayBack)
	w.environment("{name: web, chart: charts/hooked, values: [web.yaml], timeout: 20s}")
	w.write("environments/prod/web.yaml", "tag: v1\n")
	w.agent("data", append(through, "--history-max", fmt.Sprint(kept))...)
	w.await(w.commit("First"), "applied")
	w.write("environments/prod/web.yaml", "tag: v2-imagepullbackoff\n")
	bump := w.commit("Bump")
	w.eventually(func() error { return w.ends(bump) })
	reasons := func(commit string, want ...string) {
		t.Helper()
		e := w.history()[commit]
		if e.Verdict != "failed" {
			t.Errorf("commit %.7s is %s: %s; want failed", commit, e.Verdict, e.Reason)
		}
		for _, one := range want {
			if !strings.Contains(e.Reason, one) {
				t.Errorf("the reason of %.7s does not say %q: %s", commit, one, e.Reason)
			}
		}
	}
	quiet := func(when string) {
		t.Helper()
		proxy.Forget()
		time.Sleep(window) // what would be done meanwhile must not be
		made := proxy.Requests(faults.Match{Verbs: []string{"create"}, Resources: []string{"secrets"}, Name: "sh.helm.release.*"})
		jobs := proxy.Requests(faults.Match{Verbs: []string{"create", "apply"}, Resources: []string{"jobs"}, DryRun: "no"})
		if len(made) > 0 || len(jobs) > 0 {
			t.Errorf("%s, within %s:\n%s%s", when, window, lines(made), lines(jobs))
		}
		if n := w.records("web"); n > kept+1 {
			t.Errorf("%s: there are %d records, and %d are kept", when, n, kept)
		}
	}
	reasons(bump, "ImagePullBackOff", "pre-rollback hook Job.batch wayback/back")
	quiet("after the way back failed")

	other := w.commit("Elsewhere")
	w.eventually(func() error { return w.verdict(other, "held", "web") })
	quiet("after a commit elsewhere")

	w.git("-C", w.work, "revert", "--no-edit", bump)
	w.git("-C", w.work, "push", "--quiet", "origin", "HEAD:main")
	back := w.git("-C", w.work, "rev-parse", "HEAD")
	w.eventually(func() error { return w.verdict(back, "held", "web: revision 3 failed with the same inputs") })
	quiet("after git went back")

	// What goes forward goes through.
	w.write("environments/prod/web.yaml", "tag: v3\n")
	w.await(w.commit("Fix"), "applied")
	w.checkRecords("web")
	if n := w.records("web"); n > kept+1 {
		t.Errorf("there are %d records, and %d are kept", n, kept)
	}
}

// records is how many records Helm has of a release.
func (w *world) records(release string) int {
	w.t.Helper()
	out := w.cluster.Kubectl(w.t, "get", "secrets", "--namespace", w.name, "--selector", "owner=helm,name="+release, "--output", "name")
	return len(strings.Fields(out))
}
