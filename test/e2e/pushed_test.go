package e2e_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var listensOn = regexp.MustCompile(`listening.* address=(\S+)`)

// announcement is a push to main as one provider tells of it.
type announcement struct {
	body    string
	headers map[string]string // one that is empty, or sha256= alone, is followed by what proves that the secret is known
	token   bool              // the proof is the secret itself
}

// Bodies are what the providers' documentation shows, without what nobody reads.
const (
	bodyOfGitHub    = `{"ref": "refs/heads/main", "before": "0000", "after": "1111", "repository": {"full_name": "ann/config"}, "commits": []}`
	bodyOfGitLab    = `{"object_kind": "push", "event_name": "push", "ref": "refs/heads/main", "project": {"id": 15}, "total_commits_count": 1}`
	bodyOfBitbucket = `{"push": {"changes": [{"new": {"type": "branch", "name": "main"}, "old": {"type": "branch", "name": "main"}, "forced": false}]}}`
	bodyOfServer    = `{"eventKey": "repo:refs_changed", "changes": [{"ref": {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"}, "type": "UPDATE"}]}`
)

var announcements = map[string]announcement{
	"GitHub":           {bodyOfGitHub, map[string]string{"X-GitHub-Event": "push", "X-Hub-Signature-256": "sha256="}, false},
	"GitLab":           {bodyOfGitLab, map[string]string{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": ""}, true},
	"Gitea":            {bodyOfGitHub, map[string]string{"X-Gitea-Event": "push", "X-GitHub-Event": "push", "X-Gitea-Signature": ""}, false},
	"Forgejo":          {bodyOfGitHub, map[string]string{"X-Forgejo-Event": "push", "X-Forgejo-Signature": ""}, false},
	"Bitbucket Cloud":  {bodyOfBitbucket, map[string]string{"X-Event-Key": "repo:push", "X-Hub-Signature": "sha256="}, false},
	"Bitbucket Server": {bodyOfServer, map[string]string{"X-Event-Key": "repo:refs_changed", "X-Hub-Signature": "sha256="}, false},
	"anybody":          {"", map[string]string{"X-Signature-256": "sha256="}, false},
}

// announce tells an agent of a push to main, as a provider does, and returns the
// answer's status.
func (w *world) announce(p *process, provider, secret string) int {
	w.t.Helper()
	told := announcements[provider]
	proof := secret
	if !told.token {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(told.body))
		proof = hex.EncodeToString(mac.Sum(nil))
	}
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+listensOn.FindStringSubmatch(p.text())[1]+"/webhook", strings.NewReader(told.body))
	if err != nil {
		w.t.Fatal(err)
	}
	for name, value := range told.headers {
		if value == "" || value == "sha256=" {
			value += proof
		}
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// hooked starts an agent that hears of pushes by its webhook, long before it polls.
func (w *world) hooked(folder string) *process {
	w.t.Helper()
	secret := filepath.Join(w.dir, "secret")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return w.agent(folder, "--interval", "1h", "--listen", "127.0.0.1:0", "--webhook-secret-file", secret)
}

// Each provider's push is live long before the interval is over, if it proves that
// it knows the secret.
func TestAPushThatAProviderAnnouncesIsLiveAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "announced")
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	w.write("environments/prod/web.yaml", "tag: v0\n")
	head := w.commit("First")
	agent := w.hooked("a")
	w.await(head, "applied")
	for provider := range announcements {
		tag := "v-" + strings.ReplaceAll(strings.ToLower(provider), " ", "-")
		w.write("environments/prod/web.yaml", "tag: "+tag+"\n")
		head = w.commit(provider)
		if code := w.announce(agent, provider, "wrong"); code != http.StatusUnauthorized {
			t.Errorf("%s, who does not know the secret: %d", provider, code)
		}
		if code := w.announce(agent, provider, "s3cret"); code != http.StatusAccepted {
			t.Errorf("%s: %d", provider, code)
		}
		w.await(head, "applied")
		if image := w.images()["web"]; image != "example.com/web:"+tag {
			t.Errorf("%s: %s runs", provider, image)
		}
	}
	if strings.Contains(agent.text(), "s3cret") {
		t.Error("the secret is in the log")
	}
}

// A push that is announced is live long before the interval is over, whichever of
// two replicas it is announced to, and is not undone by the one that takes over.
func TestAnAnnouncedPushIsLiveAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "pushed")
	w.environment("{name: web, chart: charts/web, values: [web.yaml]}")
	w.write("environments/prod/web.yaml", "tag: v1\n")
	head := w.commit("First")
	leader := w.hooked("a")
	w.await(head, "applied")
	other := w.hooked("b")
	w.eventually(func() error { return answers(other) })

	w.write("environments/prod/web.yaml", "tag: v2\n")
	head = w.commit("Told to who leads")
	if code := w.announce(leader, "GitHub", "wrong"); code != http.StatusUnauthorized {
		t.Errorf("a wrong signature: %d", code)
	}
	if code := w.announce(leader, "GitHub", "s3cret"); code != http.StatusAccepted {
		t.Errorf("a right signature: %d", code)
	}
	w.await(head, "applied")

	w.write("environments/prod/web.yaml", "tag: v3\n")
	head = w.commit("Told to who stands by")
	if code := w.announce(other, "GitHub", "s3cret"); code != http.StatusAccepted {
		t.Errorf("a right signature: %d", code)
	}
	w.await(head, "applied")

	w.write("environments/prod/web.yaml", "tag: v4\n")
	head = w.commit("Known to who leads alone")
	w.announce(leader, "GitHub", "s3cret")
	w.await(head, "applied")
	if err := leader.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-leader.done
	w.write("environments/prod/web.yaml", "tag: v5\n")
	head = w.commit("Told to who took over")
	w.announce(other, "GitHub", "s3cret")
	w.await(head, "applied")
	if strings.Contains(other.text(), "Told to who stands by") {
		t.Error("who took over looked at an old head")
	}
}

// answers reports whether an agent's HTTP server is up and its clone there.
func answers(p *process) error {
	at := listensOn.FindStringSubmatch(p.text())
	if at == nil {
		return os.ErrNotExist
	}
	resp, err := http.Get("http://" + at[1] + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return http.ErrServerClosed
	}
	return nil
}
