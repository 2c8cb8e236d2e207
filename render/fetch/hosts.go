package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"

	"github.com/xetys/tether/source/outbound"
)

// hosts are all hosts that charts come from: how each is reached, and who one is there.
// They are safe for concurrent use.
type hosts struct {
	logins credentials.Store // nil for none
	ca     []byte
	reach  outbound.Rule

	mu      sync.Mutex
	clients map[string]*http.Client // by the certificates they trust
}

// Login returns the docker config's login for a host, or nil.
func (h *hosts) Login(host string) *Login {
	if h.logins == nil {
		return nil
	}
	if c := lookup(h.logins, host); c != auth.EmptyCredential {
		return &Login{From: "the docker config", credential: c}
	}
	return nil
}

// connect returns a host, with the login that there is for it. It sends nothing.
func (h *hosts) connect(ctx context.Context, host string, logins Logins) (*connection, error) {
	c := &connection{host: host, others: func(ctx context.Context, host string) (*Login, error) {
		if logins != nil {
			if l, err := logins(ctx, host); l != nil || err != nil {
				return l, err
			}
		}
		return h.Login(host), nil
	}}
	var err error
	if c.login, err = c.others(ctx, host); err != nil {
		return nil, err
	}
	var ca []byte
	if c.login != nil {
		ca = c.login.ca
	}
	if c.client, err = h.client(ca); err != nil {
		return nil, fmt.Errorf("%s: %w", host, err)
	}
	return c, nil
}

// client returns an HTTP client that trusts the given certificates beside the
// system's and those of the Fetcher's options.
func (h *hosts) client(ca []byte) (*http.Client, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c := h.clients[string(ca)]; c != nil {
		return c, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for _, pem := range [][]byte{h.ca, ca} {
		if len(pem) > 0 && !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("the certificates to check it against hold no certificate in PEM")
		}
	}
	c := &http.Client{Transport: &careful{h.reach.Transport(&http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    answerTimeout,
		ResponseHeaderTimeout:  answerTimeout,
		MaxResponseHeaderBytes: 1 << 20,
		IdleConnTimeout:        answerTimeout,
		ForceAttemptHTTP2:      true,
	})}}
	h.clients[string(ca)] = c
	return c, nil
}
