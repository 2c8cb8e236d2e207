package source

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/file"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/net/http/httpproxy"
)

// remote is how to reach the repository, with the credentials that it was made
// of.
type remote struct {
	of     Auth
	at     *transport.Endpoint
	client transport.Transport
	auth   transport.AuthMethod
	web    *http.Client
	app    *appTokens // nil without a GitHub App
}

// newRemote reads the credentials. If they are those of before, so is the
// remote: its connections and tokens are used again.
func (r *Repository) newRemote(before *remote) (*remote, error) {
	var a Auth
	if r.opts.Auth != nil {
		var err error
		if a, err = r.opts.Auth(); err != nil {
			return nil, err
		}
	}
	if before != nil && reflect.DeepEqual(before.of, a) {
		return before, nil
	}
	at, err := transport.NewEndpoint(r.url)
	if err != nil {
		return nil, errors.New("the repository's URL can't be read; use https://…, ssh://…, file://… or a path")
	}
	m := &remote{of: a, at: at}
	switch r.scheme {
	case "file":
		m.client = file.DefaultClient
	case "ssh":
		m.client = ssh.DefaultClient
		if m.auth, err = newSSH(r.url, a); err == nil {
			err = m.throughSocks(r.opts.Proxy)
		}
	default:
		err = m.useWeb(r.scheme, r.opts.Proxy)
	}
	if err != nil {
		return nil, err
	}
	if before != nil && before.web != nil {
		before.web.CloseIdleConnections()
	}
	return m, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// throughSocks has an ssh connection go through a proxy.
func (m *remote) throughSocks(proxy string) error {
	if proxy == "" {
		return nil
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Scheme != "socks5" && u.Scheme != "socks5h" {
		return errors.New("a repository over ssh is reached through a socks5://… proxy only: use that, or https for the repository")
	}
	m.at.Proxy.URL = proxy
	return nil
}

// useWeb prepares https: its certificates, proxy and credentials.
func (m *remote) useWeb(scheme, proxy string) error {
	if scheme == "http" && (m.of.Password != "" || m.of.App.ID != "") && !loopback(m.at.Host) {
		return errors.New("the repository's URL is http, which would send the token in the clear: use https")
	}
	web, err := newWeb(m.of.CA, proxy)
	if err != nil {
		return err
	}
	m.web, m.client = web, githttp.NewClient(web)
	switch {
	case m.of.App.ID != "" && m.of.Password != "":
		return errors.New("both a token and a GitHub App are given: choose one")
	case m.of.App.ID != "":
		m.app = &appTokens{app: m.of.App, client: web}
		return m.of.App.check()
	case m.of.Password != "":
		m.auth = &githttp.BasicAuth{Username: cmp.Or(m.of.Username, "x-access-token"), Password: m.of.Password}
	}
	return nil
}

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
	return &http.Client{Transport: &http.Transport{
		Proxy:           func(req *http.Request) (*url.URL, error) { return through(req.URL) },
		DialContext:     (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
		MaxIdleConns: 4, IdleConnTimeout: 5 * time.Minute,
	}}, nil
}

// connect begins a session.
func (m *remote) connect(ctx context.Context) (transport.UploadPackSession, error) {
	auth := m.auth
	if m.app != nil {
		token, err := m.app.get(ctx, time.Now())
		if err != nil {
			return nil, err
		}
		auth = &githttp.BasicAuth{Username: "x-access-token", Password: token}
	}
	return m.client.NewUploadPackSession(m.at, auth)
}

var errSHA256 = errors.New("it is a SHA-256 repository, which is not supported: use one with SHA-1, git's default")

// advertised asks for the refs.
func (m *remote) advertised(ctx context.Context, s transport.UploadPackSession) (*packp.AdvRefs, error) {
	refs, err := s.AdvertisedReferencesContext(ctx)
	return refs, m.explain(err)
}

// explain says what is wrong in words that help.
func (m *remote) explain(err error) error {
	var odd *packp.ErrUnexpectedData
	var unexpected *plumbing.UnexpectedError
	var stranger x509.UnknownAuthorityError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return errors.New("the repository is empty: push a commit first")
	case errors.As(err, &odd) && bytes.Contains(odd.Data, []byte("object-format=sha256")):
		return errSHA256
	case errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed):
		if m.app != nil {
			m.app.reject()
		}
		return fmt.Errorf("the server does not take the credentials, or wants some: %s", brief(err))
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%s: check the URL, and that the credentials may read it", brief(err))
	case errors.As(err, &stranger):
		return fmt.Errorf("%w: give the certificate of the authority, if it is a private one", err)
	case errors.As(err, &unexpected):
		return errors.New(answered(unexpected.Err))
	}
	return err
}

// answered says what a web server answered, if that is what is wrong.
func answered(err error) string {
	var answer *githttp.Err
	if errors.As(err, &answer) {
		return "the server answered " + answer.Response.Status
	}
	return brief(err)
}

// maxAnswer bounds what is told of a server's answer, which may be a page.
const maxAnswer = 200

// brief puts an error that a server may have had a hand in on one line: without its
// page, if it sent one.
func brief(err error) string {
	text, _, _ := strings.Cut(err.Error(), "<")
	text = strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ":")
	if len(text) > maxAnswer {
		text = strings.ToValidUTF8(text[:maxAnswer], "") + "…"
	}
	return text
}
