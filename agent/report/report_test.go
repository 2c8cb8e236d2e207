package report

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/source"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// board keeps events as the API server does: one of each name.
type board struct {
	away   bool
	events map[string]string
}

func (b *board) emit(_ context.Context, name, _, _, text string) (bool, error) {
	if b.away {
		return false, errors.New("the API server is away")
	}
	if _, there := b.events[name]; there {
		return false, nil
	}
	b.events[name] = text
	return true, nil
}

func reporter(b *board) (*Reporter, *prometheus.Registry) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	m.Begin("prod")
	return New("prod", slog.New(slog.DiscardHandler), m, b.emit), registry
}

func counted(t *testing.T, r *prometheus.Registry, line string) {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range all {
		for _, m := range f.GetMetric() {
			labels := []string{}
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if c := m.GetCounter(); c != nil && c.GetValue() > 0 {
				b.WriteString(f.GetName() + " " + strings.Join(labels, " ") + "\n")
			}
		}
	}
	if !strings.Contains(b.String(), line) {
		t.Errorf("not counted: %s; but\n%s", line, b.String())
	}
}

func verdict(l *ledger.Ledger, v ledger.Verdict) *ledger.Entry {
	l.AddCommits([]source.Commit{{SHA: strings.Repeat("a", 40), Subject: "Bump web", Time: noon}}, noon)
	l.Head().SetVerdict(v, "", noon)
	return l.Head()
}

// stored is the ledger as another process reads it.
func stored(t *testing.T, l *ledger.Ledger) *ledger.Ledger {
	t.Helper()
	text, err := l.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ledger.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestAVerdictIsToldOnceWhereverTheAgentDies(t *testing.T) {
	for sentence, c := range map[string]struct {
		before func(r *Reporter, b *board, l *ledger.Ledger)
		counts bool // the second process counts it
	}{
		"it dies before it tells": {func(*Reporter, *board, *ledger.Ledger) {}, true},
		"it dies after it told":   {func(r *Reporter, _ *board, l *ledger.Ledger) { r.Deliver(t.Context(), l) }, false},
		"the API server was away when it was": {func(r *Reporter, b *board, l *ledger.Ledger) {
			b.away = true
			r.Deliver(t.Context(), l)
			b.away = false
		}, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := &board{events: map[string]string{}}
			first, _ := reporter(b)
			l := &ledger.Ledger{}
			e := verdict(l, ledger.Applied)
			first.Verdict(l, e, noon.Add(time.Minute))
			after := stored(t, l)
			c.before(first, b, l)
			second, registry := reporter(b)
			second.Deliver(t.Context(), after)
			if len(b.events) != 1 || len(after.Outbox) != 0 {
				t.Errorf("events %v, untold %v", b.events, after.Outbox)
			}
			if c.counts {
				counted(t, registry, "tether_deploys_total prod applied")
			}
		})
	}
}

// Who may not write events counts each verdict all the same, and once.
func TestVerdictsCountWithoutEvents(t *testing.T) {
	b := &board{events: map[string]string{}, away: true}
	r, registry := reporter(b)
	var log strings.Builder
	r.log = slog.New(slog.NewTextHandler(&log, nil))
	l := &ledger.Ledger{}
	for i, v := range []ledger.Verdict{ledger.Applied, ledger.Failed} {
		e := verdict(l, v)
		r.Verdict(l, e, noon.Add(time.Duration(i)*time.Minute))
		if !r.Deliver(t.Context(), l) || r.Deliver(t.Context(), l) {
			t.Error("that it was counted is not stored once")
		}
		r.Event(t.Context(), "Warning", "Drift", "web was edited")
	}
	if n := strings.Count(log.String(), "an event can't be written"); n != 1 {
		t.Errorf("that events can't be written is logged %d times", n)
	}
	const want = "# HELP tether_deploys_total Commits that came to a verdict.\n# TYPE tether_deploys_total counter\n"
	one := func(failed int) string {
		text := want
		for _, v := range []string{"applied", "failed", "no-op", "refused", "rolled-back", "superseded"} {
			n := 0
			if v == "applied" || v == "failed" {
				n = failed
			}
			text += fmt.Sprintf("tether_deploys_total{environment=\"prod\",verdict=%q} %d\n", v, n)
		}
		return text
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(one(1)), "tether_deploys_total"); err != nil {
		t.Error(err)
	}

	// Another process, that may, makes up for the events alone.
	b.away = false
	second, others := reporter(b)
	again := stored(t, l)
	second.Deliver(t.Context(), again)
	if len(b.events) != 2 || len(again.Outbox) != 0 {
		t.Errorf("events %v, untold %v", b.events, again.Outbox)
	}
	if err := testutil.GatherAndCompare(others, strings.NewReader(one(0)), "tether_deploys_total"); err != nil {
		t.Error(err)
	}
}

func TestTheSameVerdictAgainIsToldAgain(t *testing.T) {
	b := &board{events: map[string]string{}}
	r, _ := reporter(b)
	l := &ledger.Ledger{}
	e := verdict(l, ledger.Refused)
	for i := range 2 {
		r.Verdict(l, e, noon.Add(time.Duration(i)*time.Minute))
		r.Deliver(t.Context(), l)
	}
	if len(b.events) != 2 {
		t.Errorf("events: %v", b.events)
	}
}

func TestBehindIsComputedWhenItIsScraped(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	m.Show("prod", Release{Name: "web", Behind: time.Now().Add(-time.Hour)})
	m.Show("prod", Release{Name: "api"})
	if n := testutil.CollectAndCount(m.behind); n != 2 {
		t.Errorf("%d series", n)
	}
	first, second := gauge(t, registry, "web"), gauge(t, registry, "web")
	if first < 3600 || second <= first {
		t.Errorf("%v, then %v", first, second)
	}
	if v := gauge(t, registry, "api"); v != 0 {
		t.Errorf("what is not behind is %v behind", v)
	}
	m.Leads("prod", false)
	if n := testutil.CollectAndCount(m.behind); n != 0 {
		t.Errorf("%d series of what another process leads", n)
	}
}

func gauge(t *testing.T, r *prometheus.Registry, release string) float64 {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, m := range f.GetMetric() {
			if f.GetName() == "tether_release_behind_seconds" && m.GetLabel()[1].GetValue() == release {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("no series of %s", release)
	return 0
}

func TestCountersStartAtZero(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	m.Begin("prod")
	m.Follow("main")
	m.Show("prod", Release{Name: "web"})
	all, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]int{}
	for _, f := range all {
		for _, one := range f.GetMetric() {
			series[f.GetName()]++
			if one.GetCounter().GetValue() != 0 || one.GetHistogram().GetSampleCount() != 0 {
				t.Errorf("%s is %v", f.GetName(), one)
			}
		}
	}
	for name, want := range map[string]int{"deploys_total": 6, "passes_total": 2, "leader": 1, "lease_failures_total": 1, "source_fetches_total": 1, "source_fetch_failures_total": 1,
		"rollbacks_total": 2, "drift_corrections_total": 1, "drift_fights_total": 1, "deploy_duration_seconds": 1, "delivery_lead_time_seconds": 1} {
		if have := series["tether_"+name]; have != want {
			t.Errorf("%s has %d series before anything happens, and %d are wanted", name, have, want)
		}
	}
}
