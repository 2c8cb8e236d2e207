package api

import (
	"context"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Gate says who may read.
type Gate interface {
	// Admits returns 200 if the request may read an environment, or the list of all if that
	// is empty; else the status to refuse it with, and why.
	Admits(r *http.Request, environment string) (status int, why string)
}

// Loopback is the gate of a server that listens on a loopback address alone: it asks nobody
// who he is. A page that somebody's browser shows is kept out by the name it asks for.
type Loopback struct{}

// Admits lets requests to a loopback address by its number, or to localhost.
func (Loopback) Admits(r *http.Request, _ string) (int, string) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	host = strings.Trim(host, "[]")
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		if r.Header.Get("Origin") == "" {
			return http.StatusOK, ""
		}
	}
	return http.StatusForbidden, "this is for programs on this machine: ask 127.0.0.1 or localhost, and not from a web page"
}

// IsLoopback reports whether an address to listen on is reached from its own machine alone.
func IsLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// The bounds of asking whose tokens are.
const (
	maxToken   = 16 << 10
	maxCached  = 1024             // answers that are kept
	maxReviews = 4                // questions at a time: who guesses tokens is no load on the API server
	keptFor    = 30 * time.Second // how long a right that was taken away is still in force at the most
	askFor     = 10 * time.Second
)

// Ask says whose a token is, empty if it is nobody's, and whether he may read an environment,
// or list all if that is empty.
type Ask func(ctx context.Context, token, environment string) (who string, allowed bool, err error)

// Tokens is a gate for bearer tokens. It keeps what it was answered, by the tokens' hashes.
type Tokens struct {
	ask   Ask
	now   func() time.Time
	turns chan struct{}

	mu    sync.Mutex
	known map[key]decision
}

type key struct {
	token       [sha256.Size]byte
	environment string
}

type decision struct {
	who     string
	allowed bool
	until   time.Time
}

// NewTokens returns a gate that asks.
func NewTokens(ask Ask, now func() time.Time) *Tokens {
	return &Tokens{ask: ask, now: now, turns: make(chan struct{}, maxReviews), known: map[key]decision{}}
}

// Admits lets those through whose token may read the environment.
func (t *Tokens) Admits(r *http.Request, environment string) (int, string) {
	token, ok := bearer(r)
	if !ok {
		return http.StatusUnauthorized, "send a token of the cluster: Authorization: Bearer TOKEN"
	}
	d, err := t.decision(r.Context(), token, environment)
	switch {
	case err != nil:
		return http.StatusServiceUnavailable, err.Error()
	case d.who == "":
		return http.StatusUnauthorized, "the cluster does not know this token"
	case !d.allowed && environment == "":
		return http.StatusForbidden, "who holds this token may not list environments.tether.stytex.cloud in the agent's namespace"
	case !d.allowed:
		return http.StatusForbidden, "who holds this token may not get environments.tether.stytex.cloud " + environment + " in the agent's namespace"
	}
	return http.StatusOK, ""
}

// Who is whose token a request for an environment has, by the name that the cluster has for
// him; empty if it is nobody's.
func (t *Tokens) Who(r *http.Request, environment string) (string, error) {
	token, ok := bearer(r)
	if !ok {
		return "", nil
	}
	d, err := t.decision(r.Context(), token, environment)
	return d.who, err
}

func bearer(r *http.Request) (string, bool) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token, ok && token != "" && len(token) <= maxToken
}

// decision is what was answered of a token, or is when it is asked now.
func (t *Tokens) decision(ctx context.Context, token, environment string) (decision, error) {
	k := key{sha256.Sum256([]byte(token)), environment}
	if d, kept := t.cached(k); kept {
		return d, nil
	}
	d, err := t.decide(ctx, token, environment)
	if err == nil {
		t.store(k, d)
	}
	return d, err
}

func (t *Tokens) decide(ctx context.Context, token, environment string) (decision, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	select {
	case t.turns <- struct{}{}:
		defer func() { <-t.turns }()
	case <-ctx.Done():
		return decision{}, ctx.Err()
	}
	who, allowed, err := t.ask(ctx, token, environment)
	return decision{who: who, allowed: allowed, until: t.now().Add(keptFor)}, err
}

func (t *Tokens) cached(k key) (decision, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, ok := t.known[k]
	return d, ok && t.now().Before(d.until)
}

func (t *Tokens) store(k key, d decision) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxCached {
		clear(t.known)
	}
	t.known[k] = d
}
