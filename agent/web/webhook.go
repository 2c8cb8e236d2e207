package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// A webhook's bounds: what it may send, and how long that may take; and how often
// pushes have the repository fetched.
const (
	maxWebhook     = 1 << 20
	webhookTimeout = 10 * time.Second
	pushPause      = time.Second
)

// The outcomes of a webhook, for its metric.
const (
	hookFetch    = "fetch"    // it had the repository fetched
	hookIgnored  = "ignored"  // it is of another branch, or no push
	hookRepeated = "repeated" // it was taken before
	hookRefused  = "refused"  // it does not prove that it knows the secret
	hookInvalid  = "invalid"  // it is too large, too slow, or no event
	hookFailed   = "failed"   // the agent can't read its own secret
)

var hookOutcomes = []string{hookFetch, hookIgnored, hookRepeated, hookRefused, hookInvalid, hookFailed}

// begin has the series of what may be received exist before anything is: one that appears with
// its first event shows no increase.
func begin(received *prometheus.CounterVec) {
	for _, p := range providers {
		for _, outcome := range hookOutcomes {
			received.WithLabelValues(p.name, outcome)
		}
	}
	received.WithLabelValues("unknown", hookRefused)
}

// Webhook has the repository fetched when a push event arrives that proves that its sender
// knows the secret. It is safe for concurrent use.
type Webhook struct {
	secretFile string // read each time, so that the secret can be changed
	follows    func(ref string) bool
	pushes     fold
	done       context.Context // ends when nothing is to be fetched any more
	received   *prometheus.CounterVec
	log        *slog.Logger
	readings   readings
	deliveries deliveries
	warn       rate.Sometimes // strangers don't fill the log
}

// NewWebhook returns a webhook whose senders know the secret in a file; it takes none if the
// file's name is empty. follows tells which refs, by their full names, are of interest, and
// pushed is called for the pushes of such refs, with who announced them: soon, once for those
// that come together, and in time bounds, until ctx ends. received counts by provider and
// outcome.
func NewWebhook(ctx context.Context, secretFile string, follows func(ref string) bool, pushed func(ctx context.Context, provider string), received *prometheus.CounterVec, log *slog.Logger) *Webhook {
	run := func(ctx context.Context, provider string) {
		ctx, cancel := context.WithTimeout(ctx, webhookTimeout)
		defer cancel()
		pushed(ctx, provider)
	}
	if secretFile != "" {
		begin(received)
	}
	return &Webhook{secretFile: secretFile, follows: follows, pushes: fold{pause: pushPause, run: run}, done: ctx,
		received: received, log: log, warn: rate.Sometimes{First: 1, Interval: time.Minute}}
}

// ServeHTTP implements http.Handler.
func (h *Webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
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
		h.pushes.ask(h.done, by) // who sent it may hang up: what it told is true all the same
	}
	if code < 300 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		fmt.Fprintln(w, text)
		return
	}
	h.warn.Do(func() { h.log.Warn("a webhook was not taken", "provider", by, "reason", text, "from", r.RemoteAddr) })
	w.Header().Set("Connection", "close") // else what is left of the body is waited for first
	http.Error(w, text, code)
}

const unproved = "the webhook is refused"

// judge reads a webhook and says what is to be answered, and its outcome.
func (h *Webhook) judge(w http.ResponseWriter, r *http.Request) (by string, code int, outcome, text string) {
	i := slices.IndexFunc(providers, func(p provider) bool { return r.Header.Get(p.proof) != "" })
	if i < 0 {
		return "unknown", http.StatusUnauthorized, hookRefused, unproved
	}
	p := providers[i]
	secret, err := ReadWebhookSecret(h.secretFile)
	if err != nil {
		h.log.Error("webhooks can't be checked", "error", err)
		return p.name, http.StatusInternalServerError, hookFailed, "the agent can't read its webhook secret"
	}
	if !p.scheme.may(r.Header.Get(p.proof), secret) {
		return p.name, http.StatusUnauthorized, hookRefused, unproved
	}
	body, err := h.read(w, r)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return p.name, http.StatusRequestEntityTooLarge, hookInvalid, "the webhook is larger than 1 MiB"
	case errors.Is(err, errCrowded):
		return p.name, http.StatusServiceUnavailable, hookInvalid, err.Error()
	case err != nil:
		return p.name, http.StatusBadRequest, hookInvalid, "the webhook can't be read"
	case !p.scheme.proves(r.Header.Get(p.proof), secret, body):
		return p.name, http.StatusUnauthorized, hookRefused, unproved
	}
	code, outcome, text = h.weigh(p, r.Header, body)
	return p.name, code, outcome, text
}

// weigh says what follows from a webhook that is proved.
func (h *Webhook) weigh(p provider, header http.Header, body []byte) (code int, outcome, text string) {
	if p.event != "" {
		if !slices.Contains(p.pushes, header.Get(p.event)) {
			return http.StatusOK, hookIgnored, "not a push: nothing to do"
		}
		refs, err := pushedRefs(header.Get("Content-Type"), body)
		if err != nil {
			return http.StatusBadRequest, hookInvalid, "the webhook is no push event in JSON"
		}
		if !slices.ContainsFunc(refs, h.follows) {
			return http.StatusOK, hookIgnored, "a push to what is not followed: nothing to do"
		}
	}
	if names := p.delivery(header, body); names != nil && !h.deliveries.first(names...) {
		return http.StatusOK, hookRepeated, "this delivery was taken before: nothing to do"
	}
	return http.StatusAccepted, hookFetch, "the repository is fetched"
}

var errCrowded = errors.New("the webhook came too slowly while others wait: send it again")

// read reads the body, within bounds. Nothing is known yet of who sends it.
func (h *Webhook) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > maxWebhook {
		return nil, &http.MaxBytesError{Limit: maxWebhook}
	}
	at := http.NewResponseController(w)
	if err := at.SetReadDeadline(time.Now().Add(webhookTimeout)); err != nil {
		return nil, err
	}
	end := h.readings.begin(r.RemoteAddr, func() { _ = at.SetReadDeadline(time.Now()) })
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxWebhook))
	if stopped := end(); stopped && err != nil {
		return nil, errCrowded
	}
	return body, err
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
