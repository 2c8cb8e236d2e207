package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// pagerDuty opens an incident for what is bad, and resolves it when it is over
// (https://developer.pagerduty.com/docs/events-api-v2/overview/). A failed deploy is
// resolved by the next commit that is live: both have the environment's one
// key, in its agent.
type pagerDuty struct {
	RoutingKey string `yaml:"routingKey"`
	API        string `yaml:"api"` // https://events.pagerduty.com
}

func (p *pagerDuty) follows() bool   { return false }
func (p *pagerDuty) address() string { return hostOf(p.API) }
func (p *pagerDuty) identifies()     {}

// PagerDuty's own bound of a summary.
const maxSummary = 1024

func (p *pagerDuty) send(ctx context.Context, n Notice, _ string) (string, error) {
	if n.Kind == Deploy && !n.Bad() && !ledger.Verdict(n.State).Live() {
		return n.ID, nil // what was passed over mends nothing
	}
	event := map[string]any{"routing_key": p.RoutingKey, "dedup_key": incidentKey(n), "event_action": "resolve"}
	if n.Bad() {
		summary := []rune(n.Title)
		event["event_action"] = "trigger"
		event["payload"] = map[string]any{"summary": string(summary[:min(len(summary), maxSummary)]), "source": "tether/" + n.Environment, "severity": "error",
			"timestamp": n.Since.Format(time.RFC3339), "component": n.Environment, "class": string(n.Kind), "custom_details": n}
	}
	return n.ID, call(ctx, http.MethodPost, p.API+"/v2/enqueue", nil, event, nil)
}

// incidentKey is one for each matter, or for all commits of an environment, and for each agent:
// an account may have incidents of environments of one name in several clusters. Neither part
// has a slash but the last.
func incidentKey(n Notice) string {
	if n.Kind == Deploy {
		return "tether/" + n.Origin + "/" + n.Environment + "/deploy"
	}
	return "tether/" + n.Origin + "/" + n.ID
}

// webhook posts each notice as a CloudEvent in binary mode (https://cloudevents.io, 1.0),
// signed as GitHub signs its own. The id is the same when a notice is sent again, and
// another when it changed.
type webhook struct {
	URL    string `yaml:"url"`
	Secret string `yaml:"secret"`
}

func (w *webhook) follows() bool   { return true }
func (w *webhook) address() string { return hostOf(w.URL) }

func (w *webhook) send(ctx context.Context, n Notice, _ string) (string, error) {
	raw, err := json.Marshal(n)
	if err != nil {
		return "", err
	}
	header := http.Header{
		"Ce-Specversion": {"1.0"}, "Ce-Type": {"cloud.stytex.tether." + string(n.Kind)}, "Ce-Source": {"/tether/environments/" + n.Environment},
		"Ce-Id": {digestOf(n)}, "Ce-Time": {n.Since.Format(time.RFC3339)}, "Ce-Subject": {n.ID},
	}
	if w.Secret != "" {
		mac := hmac.New(sha256.New, []byte(w.Secret))
		mac.Write(raw)
		header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	}
	return n.ID, call(ctx, http.MethodPost, w.URL, header, json.RawMessage(raw), nil)
}

// digestOf is a short name for a notice as it is now.
func digestOf(n Notice) string {
	raw, err := json.Marshal(n)
	if err != nil {
		return n.ID
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}
