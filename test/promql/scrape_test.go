package promql_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

// quiet are the queries that nothing in the demo has to answer, and why; what is asked in
// their place, if anything is. That the agent exports their names is held beside its metrics.
var quiet = map[string]struct{ reason, instead string }{
	`sum by (branch) (rate(tether_source_fetch_failures_total[$__rate_interval]))`: {
		reason: "the demo's repository is a folder: no fetch fails",
	},
	`sum by (provider, outcome) (increase(tether_webhooks_total[$__rate_interval]))`: {
		reason: "the demo's agent looks each second, and is sent no webhook",
	},
	`count(sum by (environment) (tether_leader{environment=~"$environment"}) == 0) or vector(0)`: {
		reason:  "the demo's one agent leads before the first scrape, or soon after",
		instead: `count(sum by (environment) (tether_leader{environment=~"$environment"}))`,
	},
}

// Each query of each dashboard has an answer at some time of the demo, from what a real
// agent exports: a panel that nothing can fill is found here. What a panel shows in the place
// of nothing, "or vector(0)", is left out, since it would be an answer to any name.
func TestDashboardsShowARealAgent(t *testing.T) {
	left := []string{}
	for _, file := range shippedDashboards(t) {
		for _, expr := range queriesOf(t, file) {
			if q, isQuiet := quiet[expr]; isQuiet {
				t.Logf("not asked: %s: %s", expr, q.reason)
				if expr = q.instead; expr == "" {
					continue
				}
			}
			left = append(left, strings.NewReplacer("$__rate_interval", "1m", "$environment", "production", " or vector(0)", "").Replace(expr))
		}
	}
	all, s := len(left), &scraped{storage: teststorage.New(t)}
	url := s.demo(t)
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	// What came last in the demo is exported a moment later.
	for deadline := time.Now().Add(time.Minute); ; <-time.After(time.Second) {
		if err := s.scrape(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		left = slices.DeleteFunc(left, func(expr string) bool { return s.ask(t, engine, expr) > 0 })
		if len(left) == 0 || time.Now().After(deadline) {
			break
		}
	}
	for _, expr := range left {
		t.Errorf("nothing answers %s at any time of the demo", expr)
	}
	t.Logf("%d queries on %d samples of %s", all, s.samples, s.last.Sub(s.first).Round(time.Second))
}

// A query with a name that the agent does not export has no answer.
// It runs on a scrape of its own, since it is about the asking.
func TestAWrongNameHasNoAnswer(t *testing.T) {
	s := &scraped{storage: teststorage.New(t)}
	for range 3 {
		if err := s.add([]byte("# TYPE tether_leader gauge\ntether_leader{environment=\"production\"} 1\n"), "text/plain; version=0.0.4", time.Unix(int64(1000+s.samples), 0)); err != nil {
			t.Fatal(err)
		}
	}
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	for expr, want := range map[string]bool{"tether_leader": true, "tether_leaders": false, "sum(tether_leader) == 0": false, `tether_leader{environment="other"}`: false} {
		if got := s.ask(t, engine, expr) > 0; got != want {
			t.Errorf("%s: has an answer: %v, want %v", expr, got, want)
		}
	}
}

// A query among the quiet ones is one that a dashboard asks.
func TestQuietQueriesAreShipped(t *testing.T) {
	shipped := []string{}
	for _, file := range shippedDashboards(t) {
		shipped = append(shipped, queriesOf(t, file)...)
	}
	for expr, q := range quiet {
		if !slices.Contains(shipped, expr) || q.reason == "" {
			t.Errorf("no dashboard asks for %s (%q)", expr, q.reason)
		}
	}
}

// scraped is what an agent exported, in Prometheus' own storage. It is for one goroutine.
type scraped struct {
	storage     *teststorage.TestStorage
	first, last time.Time
	samples     int
}

// scrape reads an agent's metrics once.
func (s *scraped) scrape(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return errors.Join(errors.New(resp.Status), err)
	}
	return s.add(body, resp.Header.Get("Content-Type"), time.Now())
}

// add stores a scrape with the labels that Prometheus adds by the chart's ServiceMonitor.
func (s *scraped) add(body []byte, contentType string, at time.Time) error {
	p, err := textparse.New(body, contentType, nil, textparse.ParserOptions{})
	if err != nil {
		return err
	}
	into := s.storage.Appender(context.Background())
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, into.Rollback())
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var of labels.Labels
		p.Labels(&of)
		of = labels.NewBuilder(of).Set("instance", "agent:8080").Set("pod", "agent-0").Set("job", "tether").Labels()
		_, _, value := p.Series()
		if _, err := into.Append(storage.SeriesRef(0), of, at.UnixMilli(), value); err != nil {
			return errors.Join(err, into.Rollback())
		}
		s.samples++
	}
	if s.first.IsZero() {
		s.first = at
	}
	s.last = at
	return into.Commit()
}

// ask counts the answers to a query in the time of all scrapes.
func (s *scraped) ask(t *testing.T, engine *promql.Engine, expr string) int {
	t.Helper()
	q, err := engine.NewRangeQuery(t.Context(), s.storage, nil, expr, s.first, s.last, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	answer := q.Exec(t.Context())
	if answer.Err != nil {
		t.Fatal(answer.Err)
	}
	series, err := answer.Matrix()
	if err != nil {
		t.Fatal(err)
	}
	return len(series)
}

var (
	page = regexp.MustCompile(`the status page is (http://\S+/)\s`)
	kept = regexp.MustCompile(`kill (\d+); (\S+) down --dir (\S+)`)
)

// demo runs the demo, and scrapes its agent each second until it has ended. The agent goes
// on until the test ends; the URL of its metrics is returned.
func (s *scraped) demo(t *testing.T) (url string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	out, err := os.Create(filepath.Join(dir, "demo.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "bin", "tether"), "demo", "--keep", "--source", root, "--dir", dir)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends what it started
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; make build controlplane first", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if m := page.FindStringSubmatch(told(t, out.Name())); m != nil {
				url = m[1] + "metrics"
				_ = s.scrape(t.Context(), url) // one that fails is a gap
			}
		case err := <-ended:
			story := told(t, out.Name())
			t.Cleanup(func() { endKept(t, story) })
			if err != nil || url == "" {
				t.Fatalf("the demo: %v\n%s", err, story)
			}
			return url
		}
	}
}

// endKept ends what the demo left running, as it says.
func endKept(t *testing.T, story string) {
	m := kept.FindStringSubmatch(story)
	if m == nil {
		return // it failed, and left nothing
	}
	pid, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); syscall.Kill(pid, syscall.SIGTERM) == nil && time.Now().Before(deadline); {
		<-time.After(100 * time.Millisecond) // until it has ended
	}
	if text, err := exec.Command(m[2], "down", "--dir", m[3]).CombinedOutput(); err != nil {
		t.Errorf("end the control plane: %v\n%s", err, text)
	}
}

func told(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func shippedDashboards(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../charts/tether/files/dashboards/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v, %v", files, err)
	}
	return files
}

// queriesOf are a dashboard's queries, each once. Panels may lie in rows.
func queriesOf(t *testing.T, file string) []string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type panel struct{ Targets []struct{ Expr string } }
	var d struct {
		Panels []struct {
			panel
			Panels []panel
		}
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var out []string
	for _, p := range d.Panels {
		for _, inner := range append(p.Panels, p.panel) {
			for _, q := range inner.Targets {
				if !slices.Contains(out, q.Expr) {
					out = append(out, q.Expr)
				}
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s: it asks for nothing", file)
	}
	return out
}
