package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/xetys/tether/agent/ledger"
)

func TestATurnOfHealthIsToldOnceWhereverTheAgentDies(t *testing.T) {
	b := &board{events: map[string]string{}}
	r, _ := reporter(b)
	l := &ledger.Ledger{}
	sick := HealthChange{Namespace: "x", Release: "web", Since: noon, Reason: "Deployment.apps x/web: Available: 0/1"}
	r.Health(l, []HealthChange{sick})
	again := stored(t, l)
	r.Deliver(t.Context(), l)
	r.Deliver(t.Context(), again) // of a process that died before the ledger was stored
	well := sick
	well.Recovered = noon.Add(90 * time.Second)
	r.Health(l, []HealthChange{well})
	r.Deliver(t.Context(), l)
	var texts []string
	for _, text := range b.events {
		texts = append(texts, text)
	}
	slices.Sort(texts)
	want := []string{
		"release web has not been healthy since 2026-11-24T12:00:00Z: Deployment.apps x/web: Available: 0/1",
		"release web is healthy again, after 1m30s",
	}
	if !slices.Equal(texts, want) {
		t.Errorf("%q", texts)
	}
}

func TestManyTurnsAtOnceAreToldTogether(t *testing.T) {
	b := &board{events: map[string]string{}}
	r, _ := reporter(b)
	l := &ledger.Ledger{}
	var turns []HealthChange
	for i := range 100 {
		turns = append(turns, HealthChange{Namespace: "x", Release: fmt.Sprintf("r%d", i), Since: noon, Reason: "its node is gone"})
	}
	r.Health(l, turns)
	r.Deliver(t.Context(), l)
	if len(b.events) != 1 {
		t.Fatalf("%d events", len(b.events))
	}
	for _, text := range b.events {
		if !strings.Contains(text, "100 releases are not healthy any more: r0, r1, ") || !strings.Contains(text, "r99") {
			t.Error(text)
		}
	}
}

func TestHowLongAReleaseIsUnhealthyIsMeasured(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	m.Show("prod", Release{Name: "web", Healthy: true})
	m.Health("prod", "api", false, time.Now().Add(-time.Hour))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	seconds := map[string]float64{}
	for _, f := range families {
		if f.GetName() == "tether_release_unhealthy_seconds" {
			for _, s := range f.GetMetric() {
				seconds[s.GetLabel()[1].GetValue()] = s.GetGauge().GetValue()
			}
		}
	}
	if len(seconds) != 2 || seconds["web"] != 0 || seconds["api"] < 3600 {
		t.Errorf("%v", seconds)
	}
	m.Forget("prod", "api")
	m.Leads("prod", false)
	if n, err := testutil.GatherAndCount(registry, "tether_release_unhealthy_seconds"); n != 0 || err != nil {
		t.Errorf("%d series are left, %v", n, err)
	}
}
