package agent

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// A webhook's bounds: what it may send, how long that may take, and how many
// are read at once.
const (
	maxWebhook     = 1 << 20
	webhookTimeout = 10 * time.Second
	maxWebhooks    = 8
)

// The outcomes of a webhook, for its metric.
const (
	hookFetch   = "fetch"   // it had the repository fetched
	hookIgnored = "ignored" // it is of another branch, or no push
	hookRefused = "refused" // it does not prove that it knows the secret
	hookInvalid = "invalid" // it is too large, too slow, or no event
	hookFailed  = "failed"  // the agent can't read its own secret
)

// webhook has the repository fetched when a push event arrives that proves that
// its sender knows the secret.
type webhook struct {
	secretFile string // read each time, so that the secret can be changed
	follows    func(ref string) bool
	pushed     func(ctx context.Context, provider string)
	received   *prometheus.CounterVec
	log        *slog.Logger
	slots      chan struct{}
	warn       rate.Sometimes // strangers don't fill the log
}

func (a *Agent) newWebhook() *webhook {
	return &webhook{secretFile: a.opts.WebhookSecretFile, follows: a.follows, pushed: a.pushed, received: a.metrics.webhooks, log: a.log,
		slots: make(chan struct{}, maxWebhooks), warn: rate.Sometimes{First: 1, Interval: time.Minute}}
}

// provider is how one kind of git server sends its events.
type provider struct {
	name, proof string // proof is the header that shows that the secret is known
	event       string // the header that names the kind of event; empty if every event counts
	pushes      []string
	proves      func(proof string, secret, body []byte) bool
}

// The providers, told apart by the header that carries their proof. Gitea sends
// GitHub's headers as well, and GitHub an older one that is Bitbucket's.
var providers = []provider{
	{"gitea", "X-Gitea-Signature", "X-Gitea-Event", []string{"push"}, signs("")},
	{"gitea", "X-Forgejo-Signature", "X-Forgejo-Event", []string{"push"}, signs("")},
	{"gitlab", "X-Gitlab-Token", "X-Gitlab-Event", []string{"Push Hook", "Tag Push Hook", "System Hook"}, isToken},
	{"github", "X-Hub-Signature-256", "X-GitHub-Event", []string{"push"}, signs("sha256=")},
	{"bitbucket", "X-Hub-Signature", "X-Event-Key", []string{"repo:push", "repo:refs_changed"}, signs("sha256=")},
	{"generic", "X-Signature-256", "", nil, signs("sha256=")},
}

// signs checks a proof that is the body's HMAC-SHA256 in hexadecimal.
func signs(prefix string) func(string, []byte, []byte) bool {
	return func(proof string, secret, body []byte) bool {
		text, ok := strings.CutPrefix(proof, prefix)
		got, err := hex.DecodeString(text)
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		return ok && err == nil && hmac.Equal(got, mac.Sum(nil))
	}
}

// isToken checks a proof that is the secret itself; hashes hide its length.
func isToken(proof string, secret, _ []byte) bool {
	got, want := sha256.Sum256([]byte(proof)), sha256.Sum256(secret)
	return subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// ServeHTTP implements http.Handler.
func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.secretFile == "" {
		http.Error(w, "there is no webhook here: the agent was started without --webhook-secret-file", http.StatusNotFound)
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a webhook is sent with POST", http.StatusMethodNotAllowed)
		return
	}
	by, code, outcome, text := h.judge(w, r)
	h.received.WithLabelValues(by, outcome).Inc()
	if outcome == hookFetch {
		// Who sent it may hang up: what it told is true all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), webhookTimeout)
		defer cancel()
		h.pushed(ctx, by)
	}
	if code < 300 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		fmt.Fprintln(w, text)
		return
	}
	h.warn.Do(func() { h.log.Warn("a webhook was not taken", "provider", by, "reason", text, "from", r.RemoteAddr) })
	http.Error(w, text, code)
}

// judge reads a webhook and says what is to be answered, and its outcome.
func (h *webhook) judge(w http.ResponseWriter, r *http.Request) (by string, code int, outcome, text string) {
	const denied = "the webhook is refused"
	i := slices.IndexFunc(providers, func(p provider) bool { return r.Header.Get(p.proof) != "" })
	if i < 0 {
		return "unknown", http.StatusUnauthorized, hookRefused, denied
	}
	p := providers[i]
	secret, err := ReadWebhookSecret(h.secretFile)
	if err != nil {
		h.log.Error("webhooks can't be checked", "error", err)
		return p.name, http.StatusInternalServerError, hookFailed, "the agent can't read its webhook secret"
	}
	body, err := h.read(w, r)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return p.name, http.StatusRequestEntityTooLarge, hookInvalid, "the webhook is larger than 1 MiB"
	case err != nil:
		return p.name, http.StatusBadRequest, hookInvalid, "the webhook can't be read"
	case !p.proves(r.Header.Get(p.proof), secret, body):
		return p.name, http.StatusUnauthorized, hookRefused, denied
	case p.event == "":
		return p.name, http.StatusAccepted, hookFetch, "the repository is fetched"
	case !slices.Contains(p.pushes, r.Header.Get(p.event)):
		return p.name, http.StatusOK, hookIgnored, "not a push: nothing to do"
	}
	refs, err := pushedRefs(r.Header.Get("Content-Type"), body)
	if err != nil {
		return p.name, http.StatusBadRequest, hookInvalid, "the webhook is no push event in JSON"
	}
	if !slices.ContainsFunc(refs, h.follows) {
		return p.name, http.StatusOK, hookIgnored, "a push to what is not followed: nothing to do"
	}
	return p.name, http.StatusAccepted, hookFetch, "the repository is fetched"
}

// read reads the body, within bounds.
func (h *webhook) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(r.Context(), webhookTimeout)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(webhookTimeout)); err != nil {
		return nil, err
	}
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
}

// ReadWebhookSecret reads the secret that a webhook's sender has to know.
func ReadWebhookSecret(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the webhook's secret: %w", err)
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return nil, fmt.Errorf("read the webhook's secret: %s is empty", file)
	}
	return raw, nil
}

// payload is what the providers say of a push.
type payload struct {
	Ref  string // GitHub, GitLab, Gitea
	Push struct {
		Changes []struct{ New, Old *struct{ Type, Name string } }
	} // Bitbucket Cloud
	Changes json.RawMessage // Bitbucket Server; others have it for something else
}

// pushedRefs returns the refs that a push event is about.
func pushedRefs(contentType string, body []byte) ([]string, error) {
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		body = []byte(form.Get("payload"))
	}
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, err
	}
	refs := []string{p.Ref}
	for _, c := range p.Push.Changes {
		for _, at := range []*struct{ Type, Name string }{c.New, c.Old} {
			switch {
			case at == nil:
			case strings.HasSuffix(at.Type, "tag"):
				refs = append(refs, "refs/tags/"+at.Name)
			default:
				refs = append(refs, "refs/heads/"+at.Name)
			}
		}
	}
	var changes []struct{ Ref struct{ ID string } }
	if json.Unmarshal(p.Changes, &changes) == nil {
		for _, c := range changes {
			refs = append(refs, c.Ref.ID)
		}
	}
	return refs, nil
}

// pushed has the repository fetched: by this process, and for an environment that
// another one leads by that one, which watches for it.
func (a *Agent) pushed(ctx context.Context, provider string) {
	a.log.Info("a push was announced", "provider", provider)
	a.fetchNow()
	now := a.opts.Now()
	for _, e := range a.envs {
		if a.leads(e.name) {
			continue
		}
		err := ask(ctx, e.cluster, a.opts.Namespace, now, func(c *Control) error {
			c.Sync = &Sync{ID: fmt.Sprintf("%x", now.UnixNano()), By: "webhook of " + provider, At: now.UTC()}
			return nil
		})
		if err != nil {
			e.log.Warn("who leads can't be told of a push, and will see it when it polls", "error", err)
		}
	}
}
