package report

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/xetys/tether/agent/ledger"
)

// Metrics are the agent's metrics, by what they are of. Labels are bounded: environments,
// releases and verdicts, never commits, but for the one head. They are safe for concurrent use.
type Metrics struct {
	sourceMetrics
	agentMetrics
	releaseMetrics
	driftMetrics
	deliveryMetrics
}

// sourceMetrics are of the repository.
type sourceMetrics struct {
	fetches, fetchFailures *prometheus.CounterVec
	fetched, head          *prometheus.GaugeVec
	webhooks               *prometheus.CounterVec
}

// agentMetrics are of the process, by environment.
type agentMetrics struct {
	leader        *prometheus.GaugeVec
	leaseFailures *prometheus.CounterVec
	passes        *prometheus.CounterVec
	requests      *prometheus.CounterVec
	blind         *prometheus.GaugeVec
}

// releaseMetrics are of releases.
type releaseMetrics struct {
	info, healthy, paused *prometheus.GaugeVec
	behind, unhealthy     *ages
	duration              *prometheus.HistogramVec
	rollbacks             *prometheus.CounterVec

	mu    sync.Mutex
	infos map[[2]string][4]string // the other labels of each release's info
}

// driftMetrics are of drift, by release.
type driftMetrics struct {
	drifted, foreign    *prometheus.GaugeVec
	corrections, fights *prometheus.CounterVec
}

// deliveryMetrics are of commits, by environment.
type deliveryMetrics struct {
	deploys  *prometheus.CounterVec
	leadTime *prometheus.HistogramVec
	delivery *delivery
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
	m := &Metrics{}
	m.fetches = counter("source_fetches_total", "Fetches of the repository that succeeded.", "branch")
	m.fetchFailures = counter("source_fetch_failures_total", "Fetches of the repository that failed.", "branch")
	m.fetched = gauge("source_last_success_timestamp_seconds", "When the repository was last fetched.", "branch")
	m.head = gauge("source_head_info", "The branch's head commit; always 1.", "branch", "commit")
	m.webhooks = counter("webhooks_total", "Webhooks that were received, by who sent them and what followed.", "provider", "outcome")
	m.leader = gauge("leader", "1 if this process leads the environment.", "environment")
	m.leaseFailures = counter("lease_failures_total", "Attempts to get or renew the environment's Lease that ended with an error.", "environment")
	m.passes = counter("passes_total", "Passes of the environment's loop, by how they ended.", "environment", "result")
	m.requests = counter("api_requests_total", "Requests to the API server, by HTTP method and status code; 0 is no answer.", "method", "code")
	m.blind = gauge("watches_failing", "Kinds, by namespace, that can't be watched: nothing is known of their objects.", "environment")
	m.infos = map[[2]string][4]string{}
	m.info = gauge("release_info", "What runs of a release; always 1.", "environment", "release", "chart_version", "app_version", "revision", "status")
	m.healthy = gauge("release_healthy", "1 if all objects of the release are healthy.", "environment", "release")
	m.paused = gauge("release_paused", "1 if somebody paused the release, or its whole environment.", "environment", "release")
	m.behind = newAges("release_behind_seconds", "How long the release has not been what git asks for; 0 if it is.")
	m.unhealthy = newAges("release_unhealthy_seconds", "How long the release has not been healthy after its rollout; 0 if it is.")
	m.duration = histogram("deploy_duration_seconds", "From the start of a release's rollout to its end.", "environment", "release")
	m.rollbacks = counter("rollbacks_total", "Rollbacks of releases, by cause: failure or git.", "environment", "release", "cause")
	m.drifted = gauge("drift_objects", "Objects that differ from what was applied.", "environment", "release")
	m.foreign = gauge("drift_foreign_fields", "Fields that people's tools added beside what was applied.", "environment", "release")
	m.corrections = counter("drift_corrections_total", "Objects that were put back.", "environment", "release")
	m.fights = counter("drift_fights_total", "Objects that were put back in vain, each time.", "environment", "release")
	m.deploys = counter("deploys_total", "Commits that came to a verdict.", "environment", "verdict")
	m.leadTime = histogram("delivery_lead_time_seconds", "From a commit's time to healthy.", "environment")
	m.delivery = newDelivery()
	r.MustRegister(m.behind, m.unhealthy, m.delivery)
	return m
}

// Begin has the series of an environment exist before anything happens to it: a counter
// that appears with its first event shows no increase.
func (m *Metrics) Begin(environment string) {
	m.leader.WithLabelValues(environment).Set(0)
	m.leaseFailures.WithLabelValues(environment)
	m.leadTime.WithLabelValues(environment)
	for _, v := range ledger.All {
		if v.Final() {
			m.deploys.WithLabelValues(environment, string(v))
		}
	}
	for _, result := range []string{"ok", "error"} {
		m.passes.WithLabelValues(environment, result)
	}
}

// Leads says whether this process leads an environment. Another process tells of one
// that it does not lead, so its gauges are dropped here.
func (m *Metrics) Leads(environment string, leads bool) {
	m.leader.WithLabelValues(environment).Set(bit(leads))
	if leads {
		return
	}
	m.mu.Lock()
	for key := range m.infos {
		if key[0] == environment {
			delete(m.infos, key)
		}
	}
	m.mu.Unlock()
	labels := prometheus.Labels{"environment": environment}
	for _, v := range append(m.ofReleases(), m.blind) {
		v.DeletePartialMatch(labels)
	}
	m.behind.forget(environment, "")
	m.unhealthy.forget(environment, "")
	m.delivery.forget(environment)
}

func (m *Metrics) ofReleases() []*prometheus.GaugeVec {
	return []*prometheus.GaugeVec{m.info, m.healthy, m.drifted, m.foreign, m.paused}
}

// LeaseFailed counts an attempt to get or renew a Lease that ended with an error.
func (m *Metrics) LeaseFailed(environment string) { m.leaseFailures.WithLabelValues(environment).Inc() }

// Passed counts a pass of an environment's loop, by how it ended.
func (m *Metrics) Passed(environment string, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.passes.WithLabelValues(environment, result).Inc()
}

// Unwatchable says how many kinds can't be watched.
func (m *Metrics) Unwatchable(environment string, kinds int) {
	m.blind.WithLabelValues(environment).Set(float64(kinds))
}

// RolledOut tells how long a rollout took, from its start to its end.
func (m *Metrics) RolledOut(environment, release string, took time.Duration) {
	m.duration.WithLabelValues(environment, release).Observe(took.Seconds())
}

// RolledBack counts a rollback; cause is failure or git.
func (m *Metrics) RolledBack(environment, release, cause string) {
	m.rollbacks.WithLabelValues(environment, release, cause).Inc()
}

// Corrected counts objects whose drift was put back.
func (m *Metrics) Corrected(environment, release string, objects int) {
	m.corrections.WithLabelValues(environment, release).Add(float64(objects))
}

// Fight counts an object that was put back in vain.
func (m *Metrics) Fight(environment, release string) {
	m.fights.WithLabelValues(environment, release).Inc()
}

// Received counts webhooks, by who sent them and what followed.
func (m *Metrics) Received() *prometheus.CounterVec { return m.webhooks }

// Release is what the gauges of one release show.
type Release struct {
	Name                             string
	Healthy, Paused                  bool
	Behind                           time.Time // since when; zero if it is what git asks for
	Unhealthy                        time.Time // since when it has not been healthy after its rollout; zero if it is
	Drifted, Foreign                 int
	ChartVersion, AppVersion, Status string
	Revision                         int // 0 if nothing runs
}

// Show sets the gauges of a release, and has its counters exist.
func (m *Metrics) Show(environment string, r Release) {
	m.Health(environment, r.Name, r.Healthy, r.Unhealthy)
	m.paused.WithLabelValues(environment, r.Name).Set(bit(r.Paused))
	m.drifted.WithLabelValues(environment, r.Name).Set(float64(r.Drifted))
	m.foreign.WithLabelValues(environment, r.Name).Set(float64(r.Foreign))
	m.behind.set(environment, r.Name, r.Behind)
	m.duration.WithLabelValues(environment, r.Name)
	m.corrections.WithLabelValues(environment, r.Name)
	m.fights.WithLabelValues(environment, r.Name)
	for _, cause := range []string{"failure", "git"} {
		m.rollbacks.WithLabelValues(environment, r.Name, cause)
	}
	if r.Revision > 0 {
		m.setInfo(environment, r.Name, r.ChartVersion, r.AppVersion, strconv.Itoa(r.Revision), r.Status)
	}
}

// Health sets the gauges of how a release does, and since when it has not been healthy
// after its rollout; zero if it is.
func (m *Metrics) Health(environment, release string, healthy bool, unhealthy time.Time) {
	m.healthy.WithLabelValues(environment, release).Set(bit(healthy))
	m.unhealthy.set(environment, release, unhealthy)
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

// Forget drops the gauges of a release that is not there any more.
func (m *Metrics) Forget(environment, release string) {
	m.mu.Lock()
	delete(m.infos, [2]string{environment, release})
	m.mu.Unlock()
	labels := prometheus.Labels{"environment": environment, "release": release}
	for _, v := range m.ofReleases() {
		v.DeletePartialMatch(labels)
	}
	m.behind.forget(environment, release)
	m.unhealthy.forget(environment, release)
}

// Requested counts an answer of the API server; code 0 is none.
func (m *Metrics) Requested(method string, code int) {
	m.requests.WithLabelValues(method, strconv.Itoa(code)).Inc()
}

// Follow has the counters of a branch exist before anything is fetched.
func (m *Metrics) Follow(branch string) {
	m.fetches.WithLabelValues(branch)
	m.fetchFailures.WithLabelValues(branch)
}

// FetchFailed counts a fetch of a branch that failed.
func (m *Metrics) FetchFailed(branch string) { m.fetchFailures.WithLabelValues(branch).Inc() }

// Fetched tells of a fetch that succeeded, and the head that it found.
func (m *Metrics) Fetched(branch, commit string, now time.Time) {
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
