package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/source/git"
)

// A reader of an agent's API compares a tree with what runs, without any cluster.
func TestADifferenceToWhatAnAgentTells(t *testing.T) {
	dir := blamedRepository(t)
	sha := func(rev string) string {
		r, err := git.OpenLocal(dir, rev)
		if err != nil {
			t.Fatal(err)
		}
		return r.SHA
	}
	drift := ledger.Drift{Object: "Pod prod/web", Path: "metadata.labels.team", Want: "(absent)", Have: `"red"`, Manager: "kubectl"}
	image := ledger.Drift{Object: "Pod prod/web", Path: "spec.containers[name=web].image", Want: `"example.com/web:v1"`, Have: `"example.com/web:hot"`, Manager: "kubectl-edit"}
	foreign := ledger.Drift{Object: "Pod prod/web", Path: "metadata.labels.mine", Have: `"yes"`, Manager: "kubectl", Foreign: true}
	web := func(commit string, drifted ...ledger.Drift) status.ReleaseStatus {
		r := status.ReleaseStatus{Name: "web", Namespace: "prod", Commit: commit, Status: "deployed", Healthy: true}
		for _, d := range drifted {
			r.Drift = append(r.Drift, status.ShownDrift(d))
		}
		return r
	}
	for name, test := range map[string]struct {
		runs []status.ReleaseStatus
		code int
		want []string
	}{
		"the same":                 {[]status.ReleaseStatus{web(sha("HEAD"))}, 0, nil},
		"an older commit":          {[]status.ReleaseStatus{web(sha("HEAD~1"))}, 1, []string{"web: v1 -> v2", "the cluster, as the agent at http://127.0.0.1"}},
		"an older one, and edited": {[]status.ReleaseStatus{web(sha("HEAD~1"), image)}, 1, []string{`"example.com/web:hot"`, `"example.com/web:v2"`, "kubectl-edit"}},
		"the same, with drift":     {[]status.ReleaseStatus{web(sha("HEAD"), drift)}, 1, []string{"metadata.labels.team", `"red"`, "repair"}},
		"the same, with more":      {[]status.ReleaseStatus{web(sha("HEAD"), foreign)}, 0, []string{"metadata.labels.mine"}},
		"nothing runs yet":         {nil, 1, []string{"install", "Pod prod/web"}},
		"what this does not have":  {[]status.ReleaseStatus{web(strings.Repeat("f", 40))}, 2, []string{"prod/web of environment prod runs commit fffffff, which this repository does not have, fetch it first"}},
		"what git does not list":   {[]status.ReleaseStatus{web(sha("HEAD")), {Name: "old", Namespace: "prod", Commit: sha("HEAD")}}, 0, nil},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != "/api/v1/environments/prod" {
				http.NotFound(w, req)
				return
			}
			_ = json.NewEncoder(w).Encode(status.Status{Releases: test.runs})
		}))
		code, out, errs := runOn(t, dir, "diff", "prod", "--live", "--server", server.URL)
		server.Close()
		if code != test.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", name, code, test.code, out, errs)
		}
		for _, want := range test.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%s: no %q in\n%s%s", name, want, out, errs)
			}
		}
	}
	if code, _, errs := runOn(t, dir, "diff", "prod", "--server", "http://127.0.0.1:1"); code != 2 || !strings.Contains(errs, "give --live too") {
		t.Errorf("without --live: %d %s", code, errs)
	}
}
