package e2e_test

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/xetys/tether/test/cluster"
	"github.com/xetys/tether/test/faults"
)

// steps of a deploy, by the request in which there is trouble.
var troubled = map[string]faults.Match{
	"dryrun":        {Verbs: []string{"apply", "create"}, Resources: []string{"deployments"}, DryRun: "yes"},
	"namespace":     {Verbs: []string{"apply", "get"}, Resources: []string{"namespaces"}, DryRun: "no"},
	"configmap":     {Verbs: []string{"apply", "create", "update"}, Resources: []string{"configmaps"}, Name: "web", DryRun: "no"},
	"deployment":    {Verbs: []string{"apply", "create", "update"}, Resources: []string{"deployments"}, DryRun: "no"},
	"hook":          {Verbs: []string{"apply", "create"}, Resources: []string{"jobs"}, DryRun: "no"},
	"hook-deletion": {Verbs: []string{"delete"}, Resources: []string{"jobs"}, DryRun: "no"},
	"record-begun":  {Verbs: []string{"create", "apply"}, Resources: []string{"secrets"}, Name: "sh.helm.release.v1.*"},
	"record-ended":  {Verbs: []string{"update", "patch", "apply"}, Resources: []string{"secrets"}, Name: "sh.helm.release.v1.*"},
	"record-gone":   {Verbs: []string{"delete"}, Resources: []string{"secrets"}, Name: "sh.helm.release.v1.*"},
	"prune":         {Verbs: []string{"delete"}, Resources: []string{"configmaps"}, Name: "web-extra-*"},
	"ledger":        {Verbs: []string{"update", "patch", "apply"}, Resources: []string{"configmaps"}, Name: "tether-prod"},
}

// troubles are what may become of a request once, with nothing wrong with what was
// asked for.
var troubles = []struct {
	name  string
	fault faults.Fault
}{
	{"500", faults.Fault{Status: 500, Message: "etcdserver: leader changed"}},
	{"500-timeout", faults.Fault{Status: 500, Message: "etcdserver: request timed out"}},
	{"webhook", faults.Fault{Status: 500, Reason: "InternalError", Message: `Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: ` +
		`Post "https://check.example.svc:443/?timeout=10s": context deadline exceeded`}},
	{"429", faults.Fault{Status: 429, Reason: "TooManyRequests", Message: "too many requests, please try again later", RetryAfter: 1}},
	{"429-bare", faults.Fault{Status: 429, Message: "the server has received too many requests"}},
	{"409", faults.Fault{Status: 409, Reason: "Conflict", Message: "Operation cannot be fulfilled on resourcequotas \"all\": the object has been modified; please apply your changes to the latest version and try again"}},
	{"503", faults.Fault{Status: 503, Reason: "ServiceUnavailable", Message: "the server is currently unable to handle the request"}},
	{"504", faults.Fault{Status: 504, Reason: "Timeout", Message: "Timeout: request did not complete within requested timeout - context deadline exceeded"}},
	{"reset-before", faults.Fault{Reset: "before"}},
	{"reset-after", faults.Fault{Reset: "after"}},
}

// Trouble with the API server, once, at any step of a deploy, is no fault of the
// commit: it ends applied, in one record, with one run of its hook and no way back.
func TestTroubleOnceIsNoFailure(t *testing.T) {
	t.Parallel()
	for step, match := range troubled {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			trouble(t, step, match)
		})
	}
}

func trouble(t *testing.T, step string, match faults.Match) {
	s := &stuck{world: newWorld(t, "trouble"+step)}
	w := s.world
	proxy, through := proxied(t)
	match.Namespace = w.name
	switch step {
	case "ledger":
		match.Namespace = w.name + "-system"
	case "namespace":
		match.Namespace, match.Name = "", w.name
	}
	w.write("charts/hooked/Chart.yaml", "apiVersion: v2\nname: hooked\nversion: 1.0.0\n")
	w.write("charts/hooked/templates/all.yaml", hookedChart+extraChart)
	w.environment("{name: web, chart: charts/hooked, values: [web.yaml], timeout: 30s}")
	bump := func(n int) string {
		w.write("environments/prod/web.yaml", fmt.Sprintf("tag: v%d\nhook: v%d\n", n, n))
		return w.commit(fmt.Sprintf("Version %d", n))
	}
	w.agent("data", append(through, "--history-max", "3")...)
	// As many records as are kept, so that each deploy has one to delete.
	for n := 1; n <= 3; n++ {
		w.await(bump(n), "applied")
	}
	s.watchHook()
	for i, one := range troubles {
		n := i + 4
		t.Run(one.name, func(t *testing.T) {
			ran := len(s.ran())
			w := w.in(t)
			rule := faults.Rule{Name: one.name, Match: match, Fault: one.fault, Times: 1}
			if err := proxy.Add(rule); err != nil {
				t.Fatal(err)
			}
			defer proxy.Clear()
			before := w.last("web")
			began := time.Now()
			head := bump(n)
			w.within(60*time.Second, func() error { return w.ends(head) })
			if struck := proxy.Struck(one.name); struck != 1 {
				t.Fatalf("there was trouble %d times", struck)
			}
			t.Logf("ended after %s", time.Since(began).Round(100*time.Millisecond))
			if err := w.verdict(head, "applied", ""); err != nil {
				t.Error(err)
			}
			if image := w.images()["web"]; image != fmt.Sprintf("example.com/web:v%d", n) {
				t.Errorf("web runs %s", image)
			}
			if after := w.last("web"); after != before+1 {
				t.Errorf("the newest record is %d, want %d", after, before+1)
			}
			w.checkRecords("web")
			if runs := len(s.ran()) - ran; runs != 1 {
				t.Errorf("the hook ran %d times", runs)
			}
		})
	}
}

// An API server that answers each tenth request with an error costs time, and no
// commit its verdict; so does one whose connection resets after each tenth write.
func TestTroubleAllTheTimeIsNoFailure(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]faults.Rule{
		"errors": {Fault: faults.Fault{Status: 500, Message: "etcdserver: leader changed"}, Every: 10},
		"resets": {Fault: faults.Fault{Reset: "after"}, Every: 10, Match: faults.Match{Verbs: []string{"write"}}},
		"slow":   {Fault: faults.Fault{Latency: 500 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "trouble"+name)
			proxy, through := proxied(t)
			w.write("charts/hooked/Chart.yaml", "apiVersion: v2\nname: hooked\nversion: 1.0.0\n")
			w.write("charts/hooked/templates/all.yaml", hookedChart+extraChart)
			w.environment("{name: web, chart: charts/hooked, values: [web.yaml], timeout: 60s}", "{name: other, chart: charts/web, values: [web.yaml], dependsOn: [web]}")
			w.agent("data", through...)
			w.write("environments/prod/web.yaml", "tag: v0\n")
			w.await(w.commit("Version 0"), "applied")
			rule.Name = name
			if err := proxy.Add(rule); err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= 5; n++ {
				w.write("environments/prod/web.yaml", fmt.Sprintf("tag: v%d\n", n))
				head := w.commit(fmt.Sprintf("Version %d", n))
				w.eventually(func() error { return w.ends(head) })
				if err := w.verdict(head, "applied", ""); err != nil {
					t.Error(err)
				}
				w.checkRecords("web")
				w.checkRecords("other")
			}
			t.Logf("there was trouble %d times", proxy.Struck(name))
		})
	}
}

const extraChart = `---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {tag: {{ .Values.tag }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web-extra-{{ .Values.tag }}}
`

// in is the same world in a test below the first.
func (w *world) in(t *testing.T) *world {
	below := *w
	below.t = t
	return &below
}

// ends reports whether a commit has a verdict that is one.
func (w *world) ends(commit string) error {
	if !w.decided(commit) {
		e := w.history()[commit]
		return fmt.Errorf("commit %.7s is %s: %s", commit, e.Verdict, e.Reason)
	}
	return nil
}

// last is the newest revision in Helm's records.
func (w *world) last(release string) int {
	w.t.Helper()
	helm, err := cluster.Binary("helm")
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := exec.Command(helm, "history", release, "--namespace", w.name, "--kubeconfig", w.cluster.Kubeconfig, "--output", "json").CombinedOutput()
	if err != nil {
		w.t.Fatalf("helm history: %v\n%s", err, out)
	}
	var records []struct{ Revision int }
	if err := json.Unmarshal(out, &records); err != nil {
		w.t.Fatal(err)
	}
	newest := 0
	for _, r := range records {
		newest = max(newest, r.Revision)
	}
	return newest
}
