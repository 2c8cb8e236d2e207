package agent

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics are the agent's metrics. Labels are bounded: environments, releases
// and verdicts, never commits, but for the one head.
type Metrics struct {
	fetches, fetchFailures *prometheus.CounterVec
	fetched                *prometheus.GaugeVec
	head                   *prometheus.GaugeVec
	info                   *prometheus.GaugeVec
	healthy                *prometheus.GaugeVec
	behind                 *prometheus.GaugeVec
	deploys                *prometheus.CounterVec
	rollbacks              *prometheus.CounterVec
	duration               *prometheus.HistogramVec
	drifted                *prometheus.GaugeVec
	corrections            *prometheus.CounterVec
	fights                 *prometheus.CounterVec
	leader                 *prometheus.GaugeVec
	paused                 *prometheus.GaugeVec
	passes                 *prometheus.CounterVec
	leadTime               *prometheus.HistogramVec
	requests               *prometheus.CounterVec
	foreign                *prometheus.GaugeVec
	blind                  *prometheus.GaugeVec
	webhooks               *prometheus.CounterVec

	mu    sync.Mutex
	infos map[[2]string][4]string // the other labels of each release's info
}

// NewMetrics registers the agent's metrics with r.
func NewMetrics(r prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tether_" + name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tether_" + name, Help: help}, labels)
		r.MustRegister(v)
		return v
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		v := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tether_" + name, Help: help, Buckets: []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600},
		}, labels)
		r.MustRegister(v)
		return v
	}
	return &Metrics{
		infos:         map[[2]string][4]string{},
		fetches:       counter("source_fetches_total", "Fetches of the repository that succeeded.", "branch"),
		fetchFailures: counter("source_fetch_failures_total", "Fetches of the repository that failed.", "branch"),
		fetched:       gauge("source_last_success_timestamp_seconds", "When the repository was last fetched.", "branch"),
		head:          gauge("source_head_info", "The branch's head commit; always 1.", "branch", "commit"),
		info:          gauge("release_info", "What runs of a release; always 1.", "environment", "release", "chart_version", "app_version", "revision", "status"),
		healthy:       gauge("release_healthy", "1 if all objects of the release are healthy.", "environment", "release"),
		behind:        gauge("release_behind_seconds", "How long the release has not been what git asks for; 0 if it is.", "environment", "release"),
		deploys:       counter("deploys_total", "Commits that came to a verdict.", "environment", "verdict"),
		rollbacks:     counter("rollbacks_total", "Rollbacks of releases, by cause: failure or git.", "environment", "release", "cause"),
		duration:      histogram("deploy_duration_seconds", "From the start of a release's rollout to its end.", "environment", "release"),
		drifted:       gauge("drift_objects", "Objects that differ from what was applied.", "environment", "release"),
		corrections:   counter("drift_corrections_total", "Objects that were put back.", "environment", "release"),
		fights:        counter("drift_fights_total", "Objects that were put back in vain, each time.", "environment", "release"),
		paused:        gauge("release_paused", "1 if somebody paused the release, or its whole environment.", "environment", "release"),
		leader:        gauge("leader", "1 if this process leads the environment.", "environment"),
		passes:        counter("passes_total", "Looks at the environment, by how they ended.", "environment", "result"),
		requests:      counter("api_requests_total", "Requests to the API server, by HTTP method and status code; 0 is no answer.", "method", "code"),
		foreign:       gauge("drift_foreign_fields", "Fields that people's tools added beside what was applied.", "environment", "release"),
		blind:         gauge("watches_failing", "Kinds, by namespace, that can't be watched: nothing is known of their objects.", "environment"),
		webhooks:      counter("webhooks_total", "Webhooks that were received, by who sent them and what followed.", "provider", "outcome"),
		leadTime:      histogram("delivery_lead_time_seconds", "From a commit's time to healthy.", "environment"),
	}
}

// setInfo replaces the one series of a release's info.
func (m *Metrics) setInfo(environment, release, chartVersion, appVersion, revision, status string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key, labels := [2]string{environment, release}, [4]string{chartVersion, appVersion, revision, status}
	was, known := m.infos[key]
	if known && was == labels {
		return
	}
	if known {
		m.info.DeleteLabelValues(environment, release, was[0], was[1], was[2], was[3])
	}
	m.infos[key] = labels
	m.info.WithLabelValues(environment, release, chartVersion, appVersion, revision, status).Set(1)
}

func (m *Metrics) forget(environment, release string) {
	m.mu.Lock()
	delete(m.infos, [2]string{environment, release})
	m.mu.Unlock()
	labels := prometheus.Labels{"environment": environment, "release": release}
	for _, v := range []*prometheus.GaugeVec{m.info, m.healthy, m.behind, m.drifted, m.foreign, m.paused} {
		v.DeletePartialMatch(labels)
	}
}

func (m *Metrics) requested(method string, code int) {
	m.requests.WithLabelValues(method, strconv.Itoa(code)).Inc()
}

func (m *Metrics) fetchedNow(branch, commit string, now time.Time) {
	m.fetches.WithLabelValues(branch).Inc()
	m.fetched.WithLabelValues(branch).Set(float64(now.Unix()))
	m.head.DeletePartialMatch(prometheus.Labels{"branch": branch})
	m.head.WithLabelValues(branch, commit).Set(1)
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
