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
	"k8s.io/client-go/rest"
)

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
			if head := next.envs[0].verdicts.Ledger.Head(); string(head.Verdict) != c.word {
				t.Errorf("the commit is %s: %s", head.Verdict, head.Reason)
			}
		})
	}
}
