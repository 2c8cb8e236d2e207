package source

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/file"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"

	"github.com/xetys/tether/source/outbound"
	"github.com/xetys/tether/source/printable"
)

// remote is how to reach the repository, with the credentials that it was made
// of.
type remote struct {
	of     Auth
	at     *transport.Endpoint // never written to
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
			m.at.Proxy.URL, err = dialledBy(r.opts.Proxy, 2*r.opts.Silence)
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

// useWeb prepares https: its certificates, proxy and credentials.
func (m *remote) useWeb(scheme, proxy string) error {
	if scheme == "http" && (m.of.Password != "" || m.of.App.ID != "") && (!loopback(m.at.Host) || proxy != "") {
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

// connect begins a session, at the address that was configured.
func (m *remote) connect(ctx context.Context) (transport.UploadPackSession, error) {
	auth := m.auth
	if m.app != nil {
		token, err := m.app.get(ctx, time.Now())
		if err != nil {
			return nil, err
		}
		auth = &githttp.BasicAuth{Username: "x-access-token", Password: token}
	}
	type session struct {
		transport.UploadPackSession
		err error
	}
	begun := make(chan session)
	go func() { // the library knows no context here
		at := *m.at // it writes into it where a redirect led
		s, err := m.client.NewUploadPackSession(&at, auth)
		select {
		case begun <- session{s, err}:
		case <-ctx.Done():
			if err == nil {
				s.Close()
			}
		}
	}()
	select {
	case s := <-begun:
		return s.UploadPackSession, s.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
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
	var elsewhere *outbound.RedirectError
	var noGit *noGitError
	if errors.As(err, &unexpected) {
		err = cmp.Or(unexpected.Err, err) // it does not unwrap
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return errors.New("the repository is empty: push a commit first")
	case errors.As(err, &odd) && bytes.Contains(odd.Data, []byte("object-format=sha256")):
		return errSHA256
	case errors.As(err, &elsewhere):
		return elsewhere
	case errors.As(err, &noGit):
		return noGit
	case errors.Is(err, pktline.ErrInvalidPktLen) || errors.As(err, &odd) || errors.Is(err, packp.ErrEmptyInput):
		return &noGitError{host: m.host(), what: "what is not git's protocol"}
	case errors.Is(err, transport.ErrAuthenticationRequired) || errors.Is(err, transport.ErrAuthorizationFailed):
		if m.app != nil {
			m.app.reject()
		}
		return fmt.Errorf("the server does not take the credentials, or wants some: %s", brief(err))
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("%s: check the URL, and that the credentials may read it", brief(err))
	case errors.As(err, &stranger):
		return fmt.Errorf("%w: give the certificate of the authority, if it is a private one", err)
	case unexpected != nil:
		return errors.New(answered(err))
	}
	return told(err)
}

// host is the server's name, and its port if it is not the usual one.
func (m *remote) host() string {
	if m.at.Port == 0 {
		return m.at.Host
	}
	return net.JoinHostPort(m.at.Host, strconv.Itoa(m.at.Port))
}

// told keeps what a server had a hand in from being endless, or more than text.
func told(err error) error {
	if text := err.Error(); !printable.Is(text) || len(text) > maxTold {
		return errors.New(printable.Line(text, maxTold))
	}
	return err
}

// answered says what a web server answered, if that is what is wrong.
func answered(err error) string {
	var answer *githttp.Err
	if errors.As(err, &answer) {
		return "the server answered " + printable.Line(answer.Response.Status, maxAnswer)
	}
	return brief(err)
}

// maxAnswer bounds what is told of a server's answer, which may be a page, and maxTold an
// error that may quote one.
const (
	maxAnswer = 200
	maxTold   = 1000
)

// brief puts an error that a server may have had a hand in on one line: without its
// page, if it sent one.
func brief(err error) string {
	text, _, _ := strings.Cut(err.Error(), "<")
	return strings.TrimSuffix(printable.Line(strings.TrimRight(text, " \n"), maxAnswer), ":")
}
