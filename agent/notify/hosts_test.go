package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// hub is as much of GitHub's and GitLab's deployments as a sink asks for: it refuses what they
// refuse.
type hub struct {
	*testing.T
	made   []map[string]any
	states []string
	lost   int // answers that do not arrive
}

func (h *hub) answer(_ int, a asked) (int, string) {
	path, _, _ := strings.Cut(a.line, "?")
	switch {
	case strings.Contains(path, "/statuses/"+strings.Repeat("a", 40)): // the commit's status
		return 201, "{}"
	case strings.HasPrefix(path, "GET "):
		var all []map[string]any
		for i, d := range h.made {
			all = append(all, map[string]any{"id": i + 7, "payload": d["payload"]})
		}
		raw, err := json.Marshal(all)
		if err != nil {
			h.Error(err)
		}
		return 200, string(raw)
	case strings.HasSuffix(path, "/deployments"):
		need := []string{"environment"}
		if need = append(need, "ref"); strings.Contains(path, "/projects/") {
			need = append(need, "sha", "tag", "status")
		}
		for _, field := range need {
			if v, ok := a.body[field]; !ok || v == "" {
				return 422, fmt.Sprintf(`{"message": "%s is missing"}`, field)
			}
		}
		h.made = append(h.made, a.body)
		if state, ok := a.body["status"].(string); ok {
			h.states = append(h.states, state)
		}
		if h.lost > 0 {
			h.lost--
			return 500, "lost"
		}
		return 201, fmt.Sprintf(`{"id": %d}`, len(h.made)+6)
	}
	state, _ := a.body["state"].(string)
	if strings.HasPrefix(path, "PUT ") {
		if state, _ = a.body["status"].(string); slices.Contains(h.states, state) {
			return 400, `{"message": "Cannot transition status via :run from :running"}`
		}
	}
	if !slices.Contains([]string{"queued", "in_progress", "success", "failure", "inactive", "running", "failed", "canceled"}, state) {
		return 422, `{"message": "no such state"}`
	}
	h.states = append(h.states, state)
	return 201, "{}"
}

func TestHostsOfGitShowADeployment(t *testing.T) {
	for kind, want := range map[string]struct {
		states []string
		paths  []string
	}{
		"github": {[]string{"queued", "in_progress", "success"}, []string{"GET /repos/acme/config/deployments", "POST /repos/acme/config/deployments", "POST /repos/acme/config/deployments/7/statuses"}},
		"gitlab": {[]string{"running", "success"}, []string{"POST /api/v4/projects/acme%2Fconfig/deployments", "PUT /api/v4/projects/acme%2Fconfig/deployments/7"}},
	} {
		t.Run(kind, func(t *testing.T) {
			h := &hub{T: t}
			f := newFar(t, h.answer)
			s := &forge{URL: f.URL, Repository: "acme/config", Token: "t", Deployments: true, kind: kind}
			known := "prod/aaaaaaaaaaaa/1" // as a status is known
			for _, v := range []ledger.Verdict{ledger.Pending, ledger.Progressing, ledger.Applied} {
				n := noticeOf(v)
				n.Branch = "main"
				known = send(t, s, n, known)
			}
			if known != "7" || len(h.made) != 1 || !slices.Equal(h.states, want.states) {
				t.Errorf("known as %s, made %v, states %v", known, h.made, h.states)
			}
			for _, path := range want.paths {
				if !slices.Contains(f.lines(), path) {
					t.Errorf("%s was not asked: %v", path, f.lines())
				}
			}
			for _, a := range f.asked {
				if a.header.Get("Authorization") != "Bearer t" && a.header.Get("Private-Token") != "t" {
					t.Errorf("%s has no token", a.line)
				}
			}
		})
	}
}

// A deployment that was made, and whose answer was lost, is found again.
func TestADeploymentIsNotMadeTwice(t *testing.T) {
	h := &hub{T: t, lost: 1}
	f := newFar(t, h.answer)
	s := &forge{URL: f.URL, Repository: "acme/config", Token: "t", Deployments: true, kind: "github"}
	if _, err := s.send(t.Context(), noticeOf(ledger.Applied), ""); err == nil {
		t.Fatal("a lost answer is no error")
	}
	if known := send(t, s, noticeOf(ledger.Applied), ""); known != "7" || len(h.made) != 1 {
		t.Errorf("known as %s, made %d times", known, len(h.made))
	}
}

func TestDeploymentsAreForHostsThatHaveThem(t *testing.T) {
	for _, kind := range []string{"gitea", "bitbucket"} {
		_, err := Parse(fmt.Appendf(nil, "sinks: [{name: s, %s: {url: 'https://git.example.com', repository: a/b, token: t, deployments: true}}]", kind))
		if err == nil || !strings.Contains(err.Error(), kind+" has no API for deployments from outside") {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestAlertmanagerHasAnAlertWhileItGoesOn(t *testing.T) {
	now := noon.Add(time.Minute)
	f := newFar(t, fine)
	a := &alertmanager{URL: f.URL + "/", Token: "t", Labels: map[string]string{"team": "web"}, now: func() time.Time { return now }}
	for _, v := range []ledger.Verdict{ledger.Failed, ledger.Superseded, ledger.Applied} {
		send(t, a, noticeOf(v), "")
	}
	type alert struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
	}
	var alerts []alert
	for _, one := range f.asked {
		if one.line != "POST /api/v2/alerts" || one.header.Get("Authorization") != "Bearer t" {
			t.Errorf("asked %s", one.line)
		}
		var list []alert
		if err := json.Unmarshal(one.raw, &list); err != nil || len(list) != 1 {
			t.Fatalf("%s: %v", one.raw, err)
		}
		alerts = append(alerts, list[0])
	}
	if len(alerts) != 2 {
		t.Fatalf("%d alerts", len(alerts))
	}
	begin, end := alerts[0], alerts[1]
	if fmt.Sprint(begin.Labels) != "map[alertname:TetherDeployFailed environment:prod severity:critical team:web]" || fmt.Sprint(begin.Labels) != fmt.Sprint(end.Labels) {
		t.Errorf("labels %v and %v", begin.Labels, end.Labels)
	}
	if !begin.StartsAt.Equal(noon) || !begin.EndsAt.Equal(now.Add(alertLasts)) || !end.EndsAt.Equal(now) || begin.Annotations["summary"] == "" {
		t.Errorf("it begins as %+v and ends as %+v", begin, end)
	}
}

// Alertmanager forgets: what goes on is told again, and what is over is not.
func TestASinkThatForgetsIsToldAgain(t *testing.T) {
	d := newDesk(t, "")
	c, err := Parse(fmt.Appendf(nil, "sinks: [{name: am, alertmanager: {url: '%s'}}]", d.far.URL))
	if err != nil {
		t.Fatal(err)
	}
	d.restart(c)
	tell := func(l *ledger.Ledger, want int) {
		t.Helper()
		d.deliver(t.Context(), l)
		if n := len(d.far.asked); n != want {
			t.Fatalf("told %d times, want %d (failed: %v)", n, want, d.failed)
		}
		d.far.asked = nil
	}
	failed := prod(entry("a", ledger.Failed, 0))
	tell(failed, 1)
	tell(failed, 0)
	d.now = d.now.Add(recheckEvery)
	tell(failed, 1)
	d.restart(c)
	tell(failed, 0)
	d.now = d.now.Add(recheckEvery)
	tell(failed, 1)
	mended := prod(entry("a", ledger.Failed, 0), entry("b", ledger.Applied, 1))
	tell(mended, 1)
	d.now = d.now.Add(time.Hour)
	tell(mended, 0)
}
