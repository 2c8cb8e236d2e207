package notify

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/xetys/tether/agent/ledger"
)

// deployStates are a host's words for what is queued, under way, live, failed and passed over.
var deployStates = map[string][5]string{
	"github": {"queued", "in_progress", "success", "failure", "inactive"},
	"gitlab": {"running", "running", "success", "failed", "canceled"},
}

// deployState is a verdict in the host's words. What was rolled back has failed: what ran
// before is what the host shows as live.
func deployState(kind string, v ledger.Verdict) string {
	words := deployStates[kind]
	switch {
	case v == ledger.Superseded:
		return words[4]
	case v.Live():
		return words[2]
	case v.Final():
		return words[3]
	case v == ledger.Progressing:
		return words[1]
	}
	return words[0]
}

// deploy has the host show a commit as a deployment to an environment: one for each entry of
// the ledger. known is the deployment's number, or what is none.
//
// GitHub: https://docs.github.com/rest/deployments/deployments · GitLab:
// https://docs.gitlab.com/api/deployments/
func (f *forge) deploy(ctx context.Context, n Notice, known string) (string, error) {
	if _, err := strconv.ParseInt(known, 10, 64); err != nil {
		known = ""
	}
	if f.kind == "gitlab" {
		return f.deployGitLab(ctx, n, known)
	}
	return f.deployGitHub(ctx, n, known)
}

// deployment is a deployment as GitHub and GitLab tell of it. GitHub gives the payload back
// as it was sent, GitLab has none.
type deployment struct {
	ID      json.Number     `json:"id"`
	Payload json.RawMessage `json:"payload"`
}

func (f *forge) deployGitHub(ctx context.Context, n Notice, known string) (string, error) {
	at := f.URL + "/repos/" + f.Repository + "/deployments"
	if known == "" {
		var err error
		if known, err = f.findGitHub(ctx, at, n); err != nil {
			return "", err
		}
	}
	if known == "" {
		var made deployment
		body := map[string]any{"ref": n.Commit.Commit, "environment": f.environment(n), "description": description(n), "task": "deploy",
			"auto_merge": false, "required_contexts": []string{}, "payload": map[string]string{"tether": n.ID}}
		if err := call(ctx, http.MethodPost, at, f.header(), body, &made); err != nil {
			return "", err
		}
		known = made.ID.String()
	}
	body := map[string]any{"state": deployState(f.kind, ledger.Verdict(n.State)), "description": description(n), "environment": f.environment(n)}
	return known, call(ctx, http.MethodPost, at+"/"+known+"/statuses", f.header(), body, nil)
}

// findGitHub looks for a deployment that was made before that could be noted; it is empty if
// there is none.
func (f *forge) findGitHub(ctx context.Context, at string, n Notice) (string, error) {
	var all []deployment
	query := url.Values{"sha": {n.Commit.Commit}, "environment": {f.environment(n)}, "task": {"deploy"}}
	if err := call(ctx, http.MethodGet, at+"?"+query.Encode(), f.header(), nil, &all); err != nil {
		return "", err
	}
	for _, d := range all {
		var payload struct {
			Tether string `json:"tether"`
		}
		if json.Unmarshal(d.Payload, &payload) == nil && payload.Tether == n.ID {
			return d.ID.String(), nil
		}
	}
	return "", nil
}

func (f *forge) deployGitLab(ctx context.Context, n Notice, known string) (string, error) {
	at := f.URL + "/api/v4/projects/" + url.PathEscape(f.Repository) + "/deployments"
	state := deployState(f.kind, ledger.Verdict(n.State))
	if known == "" {
		var made deployment
		body := map[string]any{"environment": f.environment(n), "sha": n.Commit.Commit, "ref": n.Branch, "tag": false, "status": state}
		err := call(ctx, http.MethodPost, at, f.header(), body, &made)
		return made.ID.String(), err
	}
	err := call(ctx, http.MethodPut, at+"/"+known, f.header(), map[string]any{"status": state}, nil)
	if a, ok := err.(*answerError); ok && a.code == http.StatusBadRequest && strings.Contains(strings.ToLower(a.body), "transition") {
		return known, nil // GitLab refuses a status that is the same already
	}
	return known, err
}
