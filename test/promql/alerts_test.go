// Package promql_test holds the alerts and dashboards that ship to what they promise, by
// Prometheus' own language and engine. It is a module of its own, so that nothing of
// Prometheus is a dependency of Tether's. It knows the agent only as the binary that the demo
// runs: that all names that are asked for are exported is held beside the agent's metrics.
package promql_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"go.yaml.in/yaml/v3"
)

type rule struct {
	Alert, Expr string
}

// rulesOf reads the alerts of a file: a PrometheusRule as it is rendered, among others,
// or the file that charts/tether ships.
func rulesOf(t *testing.T, file string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for documents := yaml.NewDecoder(strings.NewReader(string(raw))); ; {
		type groups []struct{ Rules []rule }
		var d struct {
			Groups groups
			Kind   string
			Spec   yaml.Node
		}
		if err := documents.Decode(&d); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if d.Kind == "PrometheusRule" {
			var spec struct{ Groups groups }
			if err := d.Spec.Decode(&spec); err != nil {
				t.Fatal(err)
			}
			d.Groups = spec.Groups
		}
		for _, g := range d.Groups {
			for _, r := range g.Rules {
				out[r.Alert] = r.Expr
			}
		}
	}
}

const (
	agents  = "../../charts/tether/files/alerts.yaml"
	tenants = "../../charts/testdata/observed-xuangong-*.golden.yaml"
)

// cases are series, and whether the alert's expression is true a quarter of an hour later.
var cases = []struct {
	alert, sentence, series string
	fires                   bool
}{
	{"TetherDown", "no agent is scraped", `up{job="other"} 1x30`, true},
	{"TetherDown", "an agent that does not lead is there", `tether_leader{environment="prod"} 0x30`, false},
	{"TetherNobodyLeads", "two agents, and none leads", "tether_leader{environment=\"prod\", pod=\"a\"} 0x30\n  tether_leader{environment=\"prod\", pod=\"b\"} 0x30", true},
	{"TetherNobodyLeads", "one of them leads", "tether_leader{environment=\"prod\", pod=\"a\"} 0x30\n  tether_leader{environment=\"prod\", pod=\"b\"} 1x30", false},
	{"TetherSourceAway", "the last fetch was when time began", `tether_source_last_success_timestamp_seconds{branch="main"} 0x30`, true},
	{"TetherSourceAway", "it is fetched each minute", `tether_source_last_success_timestamp_seconds{branch="main"} 0+60x30`, false},
	{"TetherSourceAway", "it was never fetched since the start", `tether_source_fetch_failures_total{branch="main"} 0+1x30`, true},
	{"TetherSourceAway", "some fetches fail", "tether_source_fetch_failures_total{branch=\"main\"} 0+1x30\n  tether_source_fetches_total{branch=\"main\"} 0+1x30", false},
	{"TetherSourceAway", "one of two agents reaches it", "tether_source_last_success_timestamp_seconds{branch=\"main\", pod=\"a\"} 0x30\n  tether_source_last_success_timestamp_seconds{branch=\"main\", pod=\"b\"} 0+60x30", false},
	{"TetherRefusedHead", "a commit was refused", `tether_deploys_total{environment="prod", verdict="refused"} 0 0 0 1x20`, true},
	{"TetherRefusedHead", "one was applied", "tether_deploys_total{environment=\"prod\", verdict=\"applied\"} 0 0 0 1x20\n  tether_deploys_total{environment=\"prod\", verdict=\"refused\"} 3x30", false},
	{"TetherBehind", "for half an hour", "tether_release_behind_seconds{environment=\"prod\", release=\"web\"} 1200+60x30\n  tether_release_paused{environment=\"prod\", release=\"web\"} 0x30", true},
	{"TetherBehind", "for a moment", `tether_release_behind_seconds{environment="prod", release="web"} 30x30`, false},
	{"TetherBehind", "while it is paused", "tether_release_behind_seconds{environment=\"prod\", release=\"web\"} 1200+60x30\n  tether_release_paused{environment=\"prod\", release=\"web\"} 1x30", false},
	{"TetherBehind", "while another is paused", "tether_release_behind_seconds{environment=\"prod\", release=\"web\"} 1200+60x30\n  tether_release_paused{environment=\"prod\", release=\"api\"} 1x30", true},
	{"TetherUnhealthy", "for ten minutes", `tether_release_unhealthy_seconds{environment="prod", release="web"} 0+60x30`, true},
	{"TetherUnhealthy", "now and then", `tether_release_unhealthy_seconds{environment="prod", release="web"} 0 60 0 60 0 60 0 60 0 60 0 60`, false},
	{"TetherDrifted", "an object differs", `tether_drift_objects{environment="prod", release="web"} 1x30`, true},
	{"TetherDrifted", "it was put back", `tether_drift_objects{environment="prod", release="web"} 1 1 0x30`, false},
	{"TetherFight", "again and again", `tether_drift_fights_total{environment="prod", release="web"} 0+1x30`, true},
	{"TetherFight", "once", `tether_drift_fights_total{environment="prod", release="web"} 0 0 1x30`, false},
	{"TetherWatchFailing", "two kinds", `tether_watches_failing{environment="prod"} 2x30`, true},
	{"TetherWatchFailing", "none", `tether_watches_failing{environment="prod"} 0x30`, false},
	{"TetherErrorBudget", "a fifth of many", "tether_delivery_change_fail_ratio{environment=\"prod\"} 0.2x30\n  tether_delivery_deployments{environment=\"prod\"} 20x30", true},
	{"TetherErrorBudget", "one of two", "tether_delivery_change_fail_ratio{environment=\"prod\"} 0.5x30\n  tether_delivery_deployments{environment=\"prod\"} 2x30", false},
	{"XuanGongErrorRate", "a tenth fails", ingress(`status="200"`, 9) + ingress(`status="502"`, 1), true},
	{"XuanGongErrorRate", "people ask for what is not there", ingress(`status="200"`, 9) + ingress(`status="404"`, 9) + ingress(`status="502"`, 0), false},
	{"XuanGongSlow", "a tenth takes a second", latency(90, 100), true},
	{"XuanGongSlow", "a hundredth does", latency(99, 100), false},
	{"XuanGongCertificate", "it ends in three days", `certmanager_certificate_expiration_timestamp_seconds{name="xuangong-backend-tls-prod"} 259200x30`, true},
	{"XuanGongCertificate", "it ends in a month", `certmanager_certificate_expiration_timestamp_seconds{name="xuangong-backend-tls-prod"} 2592000x30`, false},
	{"XuanGongRestarts", "each minute", `kube_pod_container_status_restarts_total{namespace="xuangong-prod", pod="xuangong-backend-1", container="x"} 0+1x30`, true},
	{"XuanGongRestarts", "of somebody else", `kube_pod_container_status_restarts_total{namespace="other", pod="xuangong-backend-1", container="x"} 0+1x30`, false},
	{"DatabaseConnections", "it is down", `pg_up{namespace="xuangong-prod", service="xuangong-prod-postgresql-metrics"} 0x30`, true},
	{"DatabaseConnections", "nearly all are used", database(95), true},
	{"DatabaseConnections", "half of them are", database(50), false},
	{"DatabaseVolume", "nine tenths", volume(90), true},
	{"DatabaseVolume", "a half", volume(50), false},
}

func ingress(labels string, perMinute int) string {
	return fmt.Sprintf("nginx_ingress_controller_requests{host=\"xuangong-prod.stytex.cloud\", %s} 0+%dx30\n  ", labels, perMinute)
}

func latency(fast, all int) string {
	var b strings.Builder
	for le, n := range map[string]int{"0.1": fast, "1": all, "+Inf": all} {
		fmt.Fprintf(&b, "nginx_ingress_controller_request_duration_seconds_bucket{host=\"xuangong-prod.stytex.cloud\", le=%q} 0+%dx30\n  ", le, n)
	}
	return b.String()
}

func database(used int) string {
	const labels = `namespace="xuangong-prod", service="xuangong-prod-postgresql-metrics"`
	return fmt.Sprintf("pg_up{%s} 1x30\n  pg_stat_database_numbackends{%s, datname=\"a\"} %dx30\n  pg_settings_max_connections{%s} 100x30", labels, labels, used, labels)
}

func volume(used int) string {
	const labels = `namespace="xuangong-prod", persistentvolumeclaim="data-xuangong-prod-postgresql-0"`
	return fmt.Sprintf("kubelet_volume_stats_used_bytes{%s} %dx30\n  kubelet_volume_stats_capacity_bytes{%s} 100x30", labels, used, labels)
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	rules := rulesOf(t, agents)
	golden, err := filepath.Glob(tenants)
	if err != nil || len(golden) != 2 {
		t.Fatalf("%v, %v", golden, err)
	}
	backend := rulesOf(t, golden[1]) // of xuangong-backend: both have alerts of one name
	for name, expr := range backend {
		rules[name] = expr
	}
	tried := map[string]bool{}
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	for _, c := range cases {
		t.Run(c.alert+": "+c.sentence, func(t *testing.T) {
			expr, found := rules[c.alert]
			if !found {
				t.Fatalf("there is no such alert")
			}
			tried[c.alert] = true
			want := ""
			if c.fires {
				want = "{} 1"
			}
			script := fmt.Sprintf("load 1m\n  %s\n\neval instant at 15m count(%s)\n  %s\n", strings.TrimSpace(c.series), strings.Join(strings.Fields(expr), " "), want)
			promqltest.RunTest(t, script, engine)
		})
	}
	for name := range rules {
		if !tried[name] {
			t.Errorf("alert %s is not tried", name)
		}
	}
}

func TestDashboardsAskInProperLanguage(t *testing.T) {
	files, err := filepath.Glob("../../charts/*/files/dashboards/*.json")
	if err != nil || len(files) < 8 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			UID, Title string
			Panels     []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if d.UID == "" || d.Title == "" || len(d.Panels) < 5 {
			t.Errorf("%s: uid %q, title %q, %d panels", file, d.UID, d.Title, len(d.Panels))
		}
		for _, p := range d.Panels {
			if len(p.Targets) == 0 {
				t.Errorf("%s, %s: it asks for nothing", file, p.Title)
			}
			for _, q := range p.Targets {
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(q.Expr, "$__rate_interval", "5m")); err != nil {
					t.Errorf("%s, %s: %v", file, p.Title, err)
				}
			}
		}
	}
}
