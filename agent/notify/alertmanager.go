package notify

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// alertmanager gives Alertmanager alerts, as Prometheus does
// (https://prometheus.io/docs/alerting/latest/alerts_api/): one for each matter that goes on,
// and one for the newest commit that failed, until another is live. Alertmanager keeps an
// alert in memory alone, and takes it for over at the time that it is given: what goes on is
// told again each minute.
type alertmanager struct {
	URL    string            `yaml:"url"`
	Token  string            `yaml:"token"`
	Labels map[string]string `yaml:"labels"` // are added to each alert's

	now func() time.Time // time.Now if nil
}

func (a *alertmanager) follows() bool   { return false }
func (a *alertmanager) address() string { return hostOf(a.URL) }
func (a *alertmanager) repeats()        {}
func (a *alertmanager) identifies()     {}

// alertLasts is how long an alert lasts that is not told again: three looks and more.
const alertLasts = 5 * time.Minute

// alertNames are the alerts' names by kind; those of the chart's rules are others.
var alertNames = map[Kind]string{
	Deploy: "TetherDeployFailed", Drift: "TetherDriftStays", Fight: "TetherDriftComesAgain", Unhealthy: "TetherReleaseUnhealthy", Behind: "TetherReleaseBehind",
}

func (a *alertmanager) send(ctx context.Context, n Notice, _ string) (string, error) {
	name := alertNames[n.Kind]
	if name == "" || n.Kind == Deploy && !n.Bad() && !ledger.Verdict(n.State).Live() {
		return n.ID, nil // it is no alert's beginning or end
	}
	now := time.Now
	if a.now != nil {
		now = a.now
	}
	ends := now().UTC()
	if n.Bad() {
		ends = ends.Add(alertLasts)
	}
	labels := map[string]string{"alertname": name, "environment": n.Environment, "severity": "warning"}
	if n.Kind == Deploy || n.Kind == Unhealthy {
		labels["severity"] = "critical"
	}
	if n.Origin != "" {
		labels["agent"] = n.Origin // alerts of one name and environment are one
	}
	for k, v := range a.Labels {
		labels[k] = v
	}
	alert := map[string]any{"labels": labels, "endsAt": ends.Format(time.RFC3339),
		"annotations": map[string]string{"summary": n.Title, "description": strings.Join(n.Lines, "\n")}}
	if n.Bad() { // the end has none: the alert that is over keeps its own
		alert["startsAt"] = n.Since.UTC().Format(time.RFC3339)
	}
	header := http.Header{}
	if a.Token != "" {
		header.Set("Authorization", "Bearer "+a.Token)
	}
	return n.ID, call(ctx, http.MethodPost, strings.TrimSuffix(a.URL, "/")+"/api/v2/alerts", header, []any{alert}, nil)
}
