package report

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ages is a gauge of how long something has been so of each release. It is computed when
// it is scraped: between two passes time goes on.
type ages struct {
	desc *prometheus.Desc

	mu    sync.Mutex
	since map[[2]string]time.Time // by environment and release; zero if it is not so
}

func newAges(name, help string) *ages {
	return &ages{since: map[[2]string]time.Time{}, desc: prometheus.NewDesc("tether_"+name, help, []string{"environment", "release"}, nil)}
}

// Describe implements prometheus.Collector.
func (a *ages) Describe(out chan<- *prometheus.Desc) { out <- a.desc }

// Collect implements prometheus.Collector.
func (a *ages) Collect(out chan<- prometheus.Metric) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, since := range a.since {
		seconds := 0.0
		if !since.IsZero() {
			seconds = max(0, time.Since(since).Seconds())
		}
		out <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, seconds, key[0], key[1])
	}
}

func (a *ages) set(environment, release string, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.since[[2]string{environment, release}] = since
}

// forget drops a release, or all of an environment if release is empty.
func (a *ages) forget(environment, release string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.since {
		if key[0] == environment && (release == "" || key[1] == release) {
			delete(a.since, key)
		}
	}
}
