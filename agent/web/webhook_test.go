package web

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

const hookSecret = "It's a Secret to Everybody"

// hooked serves a webhook that knows hookSecret, and counts what it had fetched.
func hooked(t *testing.T) (*Webhook, string, *atomic.Int64) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(hookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fetches := new(atomic.Int64)
	follows := func(ref string) bool { return ref == "refs/heads/main" || strings.HasPrefix(ref, "refs/tags/v") }
	received := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "webhooks_total"}, []string{"provider", "outcome"})
	h := NewWebhook(t.Context(), file, follows, func(context.Context, string) { fetches.Add(1) }, received, slog.New(slog.DiscardHandler))
	mux := http.NewServeMux()
	mux.Handle("/webhook", h)
	return h, "http://" + served(t, mux, maxConnections) + "/webhook", fetches
}

// receivedBy is how many webhooks are counted.
func receivedBy(t *testing.T, h *Webhook) (all float64) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(h.received)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if n := len(f.GetMetric()); n < len(hookOutcomes)*5 {
			t.Errorf("there are %d series", n)
		}
		for _, one := range f.GetMetric() {
			all += one.GetCounter().GetValue()
		}
	}
	return all
}

// served serves as the agent does, and returns the address.
func served(t *testing.T, handler http.Handler, limit int) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, l, handler, limit, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// eventually waits for a condition.
func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what is waited for does not come")
		}
	}
}

func mac(body string) string {
	m := hmac.New(sha256.New, []byte(hookSecret))
	m.Write([]byte(body))
	return hex.EncodeToString(m.Sum(nil))
}

func send(t *testing.T, at, body string, headers map[string]string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestWebhooksAreJudgedByWhatTheirProviderSends(t *testing.T) {
	const (
		ours    = `{"ref": "refs/heads/main", "changes": {"title": "x"}}`
		others  = `{"ref": "refs/heads/topic"}`
		version = `{"ref": "refs/tags/v1.2.0"}`
		cloud   = `{"push": {"changes": [{"new": {"type": "branch", "name": "main"}, "old": null}]}}`
		closed  = `{"push": {"changes": [{"new": null, "old": {"type": "branch", "name": "main"}}]}}`
		tag     = `{"push": {"changes": [{"new": {"type": "tag", "name": "main"}}]}}`
		server  = `{"eventKey": "repo:refs_changed", "changes": [{"ref": {"id": "refs/heads/main", "type": "BRANCH"}}]}`
	)
	form := "payload=" + url.QueryEscape(ours)
	type headers = map[string]string
	for _, c := range []struct {
		name, body      string
		headers         headers
		code            int
		metric, outcome string
	}{
		{"GitHub's push to ours", ours, headers{"X-Hub-Signature-256": "sha256=" + mac(ours), "X-Hub-Signature": "sha1=00", "X-GitHub-Event": "push"}, 202, "github", hookFetch},
		{"GitHub's push as a form", form, headers{"X-Hub-Signature-256": "sha256=" + mac(form), "X-GitHub-Event": "push", "Content-Type": "application/x-www-form-urlencoded"}, 202, "github", hookFetch},
		{"GitHub's push to another branch", others, headers{"X-Hub-Signature-256": "sha256=" + mac(others), "X-GitHub-Event": "push"}, 200, "github", hookIgnored},
		{"GitHub's push of a tag of ours", version, headers{"X-Hub-Signature-256": "sha256=" + mac(version), "X-GitHub-Event": "push"}, 202, "github", hookFetch},
		{"GitHub's ping", ours, headers{"X-Hub-Signature-256": "sha256=" + mac(ours), "X-GitHub-Event": "ping"}, 200, "github", hookIgnored},
		{"another body's signature", ours, headers{"X-Hub-Signature-256": "sha256=" + mac(others), "X-GitHub-Event": "push"}, 401, "github", hookRefused},
		{"a signature without its kind", ours, headers{"X-Hub-Signature-256": mac(ours), "X-GitHub-Event": "push"}, 401, "github", hookRefused},
		{"a signature that is no number", ours, headers{"X-Hub-Signature-256": "sha256=zz", "X-GitHub-Event": "push"}, 401, "github", hookRefused},
		{"no signature at all", ours, headers{"X-GitHub-Event": "push"}, 401, "unknown", hookRefused},
		{"a signed push that is no JSON", "ref=main", headers{"X-Hub-Signature-256": "sha256=" + mac("ref=main"), "X-GitHub-Event": "push"}, 400, "github", hookInvalid},
		{"GitLab's push", ours, headers{"X-Gitlab-Token": hookSecret, "X-Gitlab-Event": "Push Hook"}, 202, "gitlab", hookFetch},
		{"GitLab's merge request", ours, headers{"X-Gitlab-Token": hookSecret, "X-Gitlab-Event": "Merge Request Hook"}, 200, "gitlab", hookIgnored},
		{"GitLab with another token", ours, headers{"X-Gitlab-Token": hookSecret + "!", "X-Gitlab-Event": "Push Hook"}, 401, "gitlab", hookRefused},
		{"Gitea's push, with GitHub's headers too", ours, headers{"X-Gitea-Signature": mac(ours), "X-Hub-Signature-256": "sha256=" + mac(ours), "X-Gitea-Event": "push", "X-GitHub-Event": "push"}, 202, "gitea", hookFetch},
		{"Forgejo's push", ours, headers{"X-Forgejo-Signature": mac(ours), "X-Forgejo-Event": "push"}, 202, "gitea", hookFetch},
		{"Gitea with another's signature", ours, headers{"X-Gitea-Signature": mac(others), "X-Gitea-Event": "push"}, 401, "gitea", hookRefused},
		{"Bitbucket Cloud's push", cloud, headers{"X-Hub-Signature": "sha256=" + mac(cloud), "X-Event-Key": "repo:push"}, 202, "bitbucket", hookFetch},
		{"Bitbucket Cloud's deletion of ours", closed, headers{"X-Hub-Signature": "sha256=" + mac(closed), "X-Event-Key": "repo:push"}, 202, "bitbucket", hookFetch},
		{"Bitbucket Cloud's tag of the branch's name", tag, headers{"X-Hub-Signature": "sha256=" + mac(tag), "X-Event-Key": "repo:push"}, 200, "bitbucket", hookIgnored},
		{"Bitbucket Server's push", server, headers{"X-Hub-Signature": "sha256=" + mac(server), "X-Event-Key": "repo:refs_changed"}, 202, "bitbucket", hookFetch},
		{"Bitbucket Server's test", `{"test": true}`, headers{"X-Hub-Signature": "sha256=" + mac(`{"test": true}`), "X-Event-Key": "diagnostics:ping"}, 200, "bitbucket", hookIgnored},
		{"anybody's, signed", "look", headers{"X-Signature-256": "sha256=" + mac("look")}, 202, "generic", hookFetch},
		{"anybody's, empty", "", headers{"X-Signature-256": "sha256=" + mac("")}, 202, "generic", hookFetch},
		{"anybody's, signed by another", "look", headers{"X-Signature-256": "sha256=" + mac("loot")}, 401, "generic", hookRefused},
		{"GitHub's documented example", "Hello, World!", headers{"X-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}, 202, "generic", hookFetch},
		{"one that is too large", strings.Repeat("x", maxWebhook+1), headers{"X-Signature-256": "sha256=" + mac("")}, 413, "generic", hookInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, at, fetches := hooked(t)
			code, text := send(t, at, c.body, c.headers)
			if code != c.code {
				t.Errorf("%d %s; want %d", code, text, c.code)
			}
			if code == 401 && text != "the webhook is refused\n" {
				t.Errorf("a refusal tells why: %s", text)
			}
			want := map[bool]int64{true: 1}[c.outcome == hookFetch]
			eventually(t, func() bool { return fetches.Load() == want })
			if n := testutil.ToFloat64(h.received.WithLabelValues(c.metric, c.outcome)); n != 1 || receivedBy(t, h) != 1 {
				t.Errorf("it is not counted as %s of %s", c.outcome, c.metric)
			}
		})
	}
}

func TestAWebhookNeedsASecretAndPost(t *testing.T) {
	h, at, fetches := hooked(t)
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET: %s", resp.Status)
	}
	changed := "another secret"
	if err := os.WriteFile(h.secretFile, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	gitlab := map[string]string{"X-Gitlab-Token": changed, "X-Gitlab-Event": "Push Hook"}
	if code, text := send(t, at, `{"ref": "refs/heads/main"}`, gitlab); code != http.StatusAccepted {
		t.Errorf("after the secret was changed: %d %s", code, text)
	}
	eventually(t, func() bool { return fetches.Load() == 1 })
	if err := os.WriteFile(h.secretFile, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	gitlab["X-Gitlab-Token"] = ""
	if code, _ := send(t, at, "{}", gitlab); code != http.StatusUnauthorized {
		t.Errorf("an empty token: %d", code)
	}
	if code, _ := send(t, at, "{}", map[string]string{"X-Signature-256": "sha256=" + mac("{}")}); code != http.StatusInternalServerError {
		t.Errorf("with an empty secret: %d", code)
	}
	h.secretFile = ""
	if code, text := send(t, at, "{}", gitlab); code != http.StatusNotFound || !strings.Contains(text, "--webhook-secret-file") {
		t.Errorf("without a secret: %d %s", code, text)
	}
}
