package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"helm.sh/helm/v3/pkg/release"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/record"
)

func TestWhatRecordsTellOfACommit(t *testing.T) {
	rec := func(revision int, commit, digest string, action record.Action, outcome record.Outcome, status release.Status) *record.Record {
		return &record.Record{Name: "web", Revision: revision, Commit: commit, Digest: digest, Action: action, Outcome: outcome, Status: status}
	}
	before := rec(1, "old", "a", record.Install, record.Good, release.StatusSuperseded)
	for sentence, c := range map[string]struct {
		history record.History
		want    string // the digest that commit "new" asks for
		outcome string
	}{
		"nothing was begun":                        {record.History{before}, "b", ""},
		"a rollout that is under way is no news":   {record.History{before, rec(2, "new", "b", record.Upgrade, record.Pending, release.StatusPendingUpgrade)}, "b", ""},
		"a rollout that was given up is no news":   {record.History{before, rec(2, "new", "b", record.Upgrade, record.Abandoned, release.StatusFailed)}, "b", ""},
		"a good rollout was applied":               {record.History{before, rec(2, "new", "b", record.Upgrade, record.Good, release.StatusDeployed)}, "b", "upgrade 2 applied"},
		"it was, also if a newer commit followed":  {record.History{rec(2, "new", "b", record.Upgrade, record.Good, release.StatusSuperseded), rec(3, "newer", "c", record.Upgrade, record.Good, release.StatusDeployed)}, "b", "upgrade 2 applied"},
		"a failed rollout has failed":              {record.History{before, rec(2, "new", "b", record.Upgrade, record.Failed, release.StatusFailed)}, "b", "upgrade 2 failed"},
		"what went back after it is rolled back":   {record.History{rec(2, "new", "b", record.Upgrade, record.Failed, release.StatusFailed), rec(3, "new", "a", record.Rollback, record.Good, release.StatusDeployed)}, "b", "rollback 3 rolled-back"},
		"a revert is applied, not rolled back":     {record.History{before, rec(2, "new", "b", record.Rollback, record.Good, release.StatusDeployed)}, "b", "rollback 2 applied"},
		"a release that is gone was uninstalled":   {record.History{rec(1, "old", "a", record.Install, record.Good, release.StatusUninstalled)}, "", "uninstall 1 applied"},
		"one that can't be removed has failed":     {record.History{rec(1, "old", "a", record.Install, record.Stuck, release.StatusUninstalling)}, "", "uninstall 1 failed"},
		"one that is being removed is no news":     {record.History{rec(1, "old", "a", record.Install, record.Good, release.StatusUninstalling)}, "", ""},
		"one whose records are deleted is no news": {nil, "", ""},
	} {
		got := ""
		if o := concluded(c.history, "new", c.want); o != nil {
			got = o.Action + " " + string(rune('0'+o.Revision)) + " " + o.Outcome
		}
		if got != c.outcome {
			t.Errorf("%s: %q, not %q", sentence, got, c.outcome)
		}
	}
}

// beforeVerdict ends an agent when it is about to store a verdict that begins with a word.
type beforeVerdict struct {
	http.RoundTripper
	word string
	end  context.CancelFunc
}

func (b *beforeVerdict) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || !strings.Contains(r.URL.Path, "/configmaps/") {
		return b.RoundTripper.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	verdicts := strings.Split(strings.ReplaceAll(string(body), `\`, ""), `"verdict":"`)
	if newest := verdicts[len(verdicts)-1]; strings.HasPrefix(newest, b.word) {
		b.end()
		return nil, errors.New("the agent has ended")
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return b.RoundTripper.RoundTrip(r)
}

// A commit has the verdict that it would have had if the agent had not ended just before
// it stored that.
func TestAVerdictThatACrashSwallowed(t *testing.T) {
	for _, c := range []struct{ name, releases, word string }{
		{"an upgrade", "{name: web, chart: charts/web, values: [{tag: v2}]}", "applied"},
		{"a failure", "{name: web, chart: charts/web, timeout: 2s, onFailure: hold, values: [{tag: v2-neverready}]}", "failed"},
		{"a way back", "{name: web, chart: charts/web, timeout: 2s, values: [{tag: v2-neverready}]}", "rolled-back"},
		{"an uninstall", "{name: other, chart: charts/web}", "applied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScenario(t)
			s.commit("{name: web, chart: charts/web}, {name: other, chart: charts/web}")
			agent := func(config *rest.Config) *Agent { // each is a process with metrics of its own
				s.registry = prometheus.NewRegistry()
				return s.agent(config)
			}
			if err := agent(s.Config).Once(t.Context()); err != nil {
				t.Fatal(err)
			}
			other := ""
			if !strings.Contains(c.releases, "other") {
				other = ", {name: other, chart: charts/web}"
			}
			s.commit(c.releases + other)
			ctx, end := context.WithCancel(t.Context())
			config := rest.CopyConfig(s.Config)
			config.Wrap(func(rt http.RoundTripper) http.RoundTripper { return &beforeVerdict{rt, c.word, end} })
			if err := agent(config).Once(ctx); err == nil || ctx.Err() == nil {
				t.Fatalf("the agent did not end before its verdict: %v", err)
			}
			next := agent(s.Config)
			_ = next.Once(t.Context())
			if head := next.envs[0].ledger.Head(); string(head.Verdict) != c.word {
				t.Errorf("the commit is %s: %s", head.Verdict, head.Reason)
			}
		})
	}
}
