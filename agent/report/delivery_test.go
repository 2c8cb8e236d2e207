package report

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/xetys/tether/agent/ledger"
)

func TestDeliveryIsComputedWhenItIsScraped(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := NewMetrics(registry)
	end := time.Now().Add(-time.Hour)
	e := ledger.Entry{Commit: ledger.Commit{Time: end.Add(-time.Minute)}, Started: end, Finished: &end, Verdict: ledger.Applied,
		Releases: []ledger.Outcome{{Name: "web", Action: "install", Outcome: "applied"}}}
	old := e
	longAgo := end.Add(-31 * 24 * time.Hour)
	old.Started, old.Finished = longAgo, &longAgo
	m.Delivered("prod", []ledger.Entry{old, e})
	want := `# HELP tether_delivery_deployments Deployments, over the last 30 days.
# TYPE tether_delivery_deployments gauge
tether_delivery_deployments{environment="prod"} 1
# HELP tether_delivery_lead_time_median_seconds Median time from a commit to healthy, over the last 30 days.
# TYPE tether_delivery_lead_time_median_seconds gauge
tether_delivery_lead_time_median_seconds{environment="prod"} 60
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "tether_delivery_deployments", "tether_delivery_lead_time_median_seconds", "tether_delivery_recovery_time_median_seconds"); err != nil {
		t.Error(err)
	}
	m.Leads("prod", false)
	if n, err := testutil.GatherAndCount(registry, "tether_delivery_deployments"); n != 0 || err != nil {
		t.Errorf("%d series of what another process leads, %v", n, err)
	}
}
