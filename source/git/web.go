package git

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/xetys/tether/source/outbound"
	"github.com/xetys/tether/source/printable"
)

// newWeb returns a client that keeps its connections between polls.
func newWeb(ca []byte, proxy string) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(ca) {
			return nil, errors.New("the file of certificates holds none in PEM")
		}
		config.RootCAs = pool
	}
	through := httpproxy.FromEnvironment().ProxyFunc()
	if proxy != "" {
		u, err := url.Parse(proxy)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" && u.Scheme != "socks5h" {
			return nil, errors.New("the proxy's URL can't be read; use http://…, https://… or socks5://…")
		}
		through = func(*url.URL) (*url.URL, error) { return u, nil }
	}
	return &http.Client{Transport: &steady{next: &http.Transport{
		Proxy:           func(req *http.Request) (*url.URL, error) { return through(req.URL) },
		DialContext:     (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxIdleConns: 4, IdleConnTimeout: 5 * time.Minute,
		MaxResponseHeaderBytes: 1 << 20,
	}}}, nil
}

// steady sends requests to the server that they are for, and to no other: a redirect to
// another scheme, host or port is an error, so that neither credentials nor questions
// follow it. What git is asked has to be answered by git.
type steady struct{ next *http.Transport }

// RoundTrip sends a request.
func (s *steady) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err = stays(resp, req.URL); err == nil && forGit(req.URL) {
		err = answersGit(resp, req.URL)
	}
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	resp.Body = &watched{resp.Body, watchOf(req.Context())}
	return resp, nil
}

// CloseIdleConnections does what http.Client's method of that name asks for.
func (s *steady) CloseIdleConnections() { s.next.CloseIdleConnections() }

const (
	infoRefs   = "/info/refs"
	uploadPack = "/git-upload-pack"

	receivePack = "/git-receive-pack"
)

// forGit reports whether a URL is one of git's own.
func forGit(u *url.URL) bool {
	return strings.HasSuffix(u.Path, infoRefs) || strings.HasSuffix(u.Path, uploadPack) || strings.HasSuffix(u.Path, receivePack)
}

// repositoryOf returns what one of git's own addresses is of.
func repositoryOf(address string) string {
	for _, suffix := range []string{infoRefs, uploadPack, receivePack} {
		address = strings.TrimSuffix(address, suffix)
	}
	return address
}

// stays finds out whether an answer leads to another server, or to no repository.
func stays(resp *http.Response, asked *url.URL) error {
	repository := *asked
	repository.Path = repositoryOf(asked.Path)
	to, err := outbound.Follow(resp, asked)
	var elsewhere *outbound.RedirectError
	if errors.As(err, &elsewhere) { // people know repositories, not the protocol's own addresses
		return &outbound.RedirectError{From: outbound.Address(&repository), To: repositoryOf(elsewhere.To)}
	}
	if err == nil && to != nil && forGit(asked) && !forGit(to) {
		return &noGitError{host: asked.Host, what: "a redirect to " + outbound.Address(to)}
	}
	return err
}

// noGitError says that something else than git answered.
type noGitError struct{ host, what string }

// Error names the host, and what it answered.
func (e *noGitError) Error() string {
	return fmt.Sprintf("%s answered with %s, and not as a git server does: check the URL and the credentials; a login page, a proxy or a portal may have answered in its place", e.host, e.what)
}

// answersGit finds out whether an answer is git's. What it reads for that is put back.
func answersGit(resp *http.Response, asked *url.URL) error {
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		kind = "no content type"
	}
	page := kind == "text/html" || kind == "application/xhtml+xml"
	if resp.StatusCode != http.StatusOK && !(resp.StatusCode == http.StatusNotFound && page) {
		return nil // its status says what is wrong
	}
	start := bufio.NewReader(resp.Body)
	head, err := start.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if resp.StatusCode == http.StatusOK && hex(head) {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{start, resp.Body}
		return nil
	}
	what := "what is not git's protocol"
	switch {
	case len(head) == 0:
		what = "an empty body"
	case page:
		what = "a page"
	}
	return &noGitError{asked.Host, printable.Line(fmt.Sprintf("%s and %s (%s)", resp.Status, what, kind), maxAnswer)}
}

// hex reports whether text is the length that each line of git's protocol begins with.
func hex(text []byte) bool {
	return len(text) == 4 && strings.Trim(string(text), "0123456789abcdefABCDEF") == ""
}
