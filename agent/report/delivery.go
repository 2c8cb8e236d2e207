package report

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xetys/tether/agent/ledger"
)

// deliveryWindow is over how long the delivery metrics are computed.
const deliveryWindow = 30 * 24 * time.Hour

// delivery are the five metrics of dora.dev, computed from verdicts when they are
// scraped: what leaves the window counts no more, also while nothing happens.
type delivery struct {
	deploys, lead, failRate, recovery, rework *prometheus.Desc

	mu      sync.Mutex
	entries map[string][]ledger.Entry // by environment
}

func newDelivery() *delivery {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("tether_delivery_"+name, help+", over the last 30 days.", []string{"environment"}, nil)
	}
	return &delivery{
		entries:  map[string][]ledger.Entry{},
		deploys:  desc("deployments", "Deployments"),
		lead:     desc("lead_time_median_seconds", "Median time from a commit to healthy"),
		failRate: desc("change_fail_ratio", "Share of deployments that failed or were undone"),
		recovery: desc("recovery_time_median_seconds", "Median time from a failed deployment to what mended it"),
		rework:   desc("rework_ratio", "Share of deployments that mended another"),
	}
}

// Describe implements prometheus.Collector.
func (d *delivery) Describe(out chan<- *prometheus.Desc) {
	for _, one := range []*prometheus.Desc{d.deploys, d.lead, d.failRate, d.recovery, d.rework} {
		out <- one
	}
}

// Collect implements prometheus.Collector.
func (d *delivery) Collect(out chan<- prometheus.Metric) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for environment, entries := range d.entries {
		m := ledger.Deliver(environment, entries, now.Add(-deliveryWindow), now)
		gauge := func(desc *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, environment)
		}
		gauge(d.deploys, float64(m.Deployments))
		gauge(d.failRate, m.ChangeFailRate)
		gauge(d.rework, m.ReworkRate)
		if m.LeadTime != nil {
			gauge(d.lead, float64(*m.LeadTime))
		}
		if m.RecoveryTime != nil {
			gauge(d.recovery, float64(*m.RecoveryTime))
		}
	}
}

// Delivered tells of an environment's verdicts.
func (m *Metrics) Delivered(environment string, entries []ledger.Entry) {
	m.delivery.mu.Lock()
	defer m.delivery.mu.Unlock()
	copied := slices.Clone(entries)
	for i := range copied {
		copied[i].Releases = slices.Clone(copied[i].Releases)
	}
	m.delivery.entries[environment] = copied
}

// forget drops an environment that another process leads.
func (d *delivery) forget(environment string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.entries, environment)
}
