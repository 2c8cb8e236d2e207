package notify

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/xetys/tether/agent/ledger"
)

// forge sets commit statuses at a git host, so that a commit and its pull request show what
// became of it in each environment. A status is set by its name: the same again is no other.
//
// GitHub: https://docs.github.com/rest/commits/statuses · GitLab:
// https://docs.gitlab.com/api/commits/#set-commit-pipeline-status · Gitea and Forgejo:
// /api/v1/repos/OWNER/REPO/statuses/SHA · Bitbucket Cloud:
// https://developer.atlassian.com/cloud/bitbucket/rest/api-group-commit-statuses/
type forge struct {
	URL        string `yaml:"url"`
	Repository string `yaml:"repository"`
	Token      string `yaml:"token"`
	// Deployments has GitHub and GitLab show deployments, too.
	Deployments bool `yaml:"deployments"`
	// Cluster tells this agent's statuses and deployments from those of agents in other
	// clusters that have environments of the same name.
	Cluster string `yaml:"cluster"`
	kind    string
}

// environment is what the host is told that it is called.
func (f *forge) environment(n Notice) string {
	if f.Cluster == "" {
		return n.Environment
	}
	return f.Cluster + "/" + n.Environment
}

func (f *forge) follows() bool   { return true }
func (f *forge) address() string { return hostOf(f.URL) + " " + f.Repository }

// Hosts bound a status' description; GitHub takes the least.
const maxDescription = 140

func (f *forge) send(ctx context.Context, n Notice, known string) (string, error) {
	if n.Kind != Deploy {
		return n.ID, nil // it is no commit's
	}
	if err := f.status(ctx, n); err != nil || !f.Deployments {
		return n.ID, err
	}
	return f.deploy(ctx, n, known)
}

// header is how the host knows who asks.
func (f *forge) header() http.Header {
	switch f.kind {
	case "github":
		return http.Header{"Authorization": {"Bearer " + f.Token}, "Accept": {"application/vnd.github+json"}}
	case "gitea":
		return http.Header{"Authorization": {"token " + f.Token}}
	case "gitlab":
		return http.Header{"Private-Token": {f.Token}}
	}
	return http.Header{"Authorization": {"Bearer " + f.Token}}
}

// status sets the commit's status.
func (f *forge) status(ctx context.Context, n Notice) error {
	name, text := "tether/"+f.environment(n), description(n)
	sha, state := n.Commit.Commit, f.state(ledger.Verdict(n.State))
	var path string
	body := map[string]any{"state": state, "context": name, "description": text}
	switch f.kind {
	case "github":
		path = "/repos/" + f.Repository + "/statuses/" + sha
	case "gitea":
		path = "/api/v1/repos/" + f.Repository + "/statuses/" + sha
	case "gitlab":
		path = "/api/v4/projects/" + url.PathEscape(f.Repository) + "/statuses/" + sha
		body = map[string]any{"state": state, "name": name, "description": text}
	case "bitbucket":
		path = "/2.0/repositories/" + f.Repository + "/commit/" + sha + "/statuses/build"
		body = map[string]any{"state": state, "key": name, "name": name, "description": text, "url": "https://bitbucket.org/" + f.Repository + "/commits/" + sha}
	}
	err := call(ctx, http.MethodPost, f.URL+path, f.header(), body, nil)
	if a, ok := err.(*answerError); ok && f.kind == "gitlab" && a.code == http.StatusBadRequest && strings.Contains(a.body, "Cannot transition status") {
		return nil // GitLab refuses a status that is the same already
	}
	return err
}

func description(n Notice) string {
	text := n.State
	if len(n.Lines) > 0 {
		text += ": " + n.Lines[0]
	}
	if r := []rune(text); len(r) > maxDescription {
		return string(r[:maxDescription-1]) + "…"
	}
	return text
}

// forgeStates are the words for what is good, bad and under way.
var forgeStates = map[string][3]string{
	"github": {"success", "failure", "pending"}, "gitea": {"success", "failure", "pending"},
	"gitlab": {"success", "failed", "running"}, "bitbucket": {"SUCCESSFUL", "FAILED", "INPROGRESS"},
}

// state is a verdict in the host's words. What was passed over for a newer commit is no
// failure of this one.
func (f *forge) state(v ledger.Verdict) string {
	words := forgeStates[f.kind]
	switch {
	case v.Live(), v == ledger.Superseded:
		return words[0]
	case v.Final():
		return words[1]
	}
	return words[2]
}

// check says what is wrong with where statuses are set.
var clusterName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$`)

func (f *forge) check() error {
	if !strings.Contains(f.Repository, "/") || strings.ContainsAny(f.Repository, "?#% ") {
		return fmt.Errorf("repository %q: use its path at the host, as in acme/config", f.Repository)
	}
	if f.Cluster != "" && !clusterName.MatchString(f.Cluster) {
		return fmt.Errorf("cluster %q: use up to 63 letters, digits, dashes and dots", f.Cluster)
	}
	if f.Deployments && deployStates[f.kind] == [5]string{} {
		return fmt.Errorf("deployments: %s has no API for deployments from outside; commit statuses are set all the same", f.kind)
	}
	return nil
}
