package git

import (
	"bytes"
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/file"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/plumbing/transport/ssh"

	"github.com/xetys/tether/source/outbound"
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
func newRemote(to address, o *Options, before *remote) (*remote, error) {
	var a Auth
	if o.Auth != nil {
		var err error
		if a, err = o.Auth(); err != nil {
			return nil, err
		}
	}
	if before != nil && reflect.DeepEqual(before.of, a) {
		return before, nil
	}
	at, err := transport.NewEndpoint(to.url)
	if err != nil {
		return nil, errURL
	}
	m := &remote{of: a, at: at}
	switch to.scheme {
	case "file":
		m.client = file.DefaultClient
	case "ssh":
		m.client = ssh.DefaultClient
		if m.auth, err = newSSH(to.url, a); err == nil {
			m.at.Proxy.URL, err = dialledBy(o.Proxy, 2*o.Silence)
		}
	default:
		err = m.useWeb(to.scheme, o.Proxy, o.Committer != nil)
	}
	if err != nil {
		return nil, err
	}
	if before != nil && before.web != nil {
		before.web.CloseIdleConnections()
	}
	return m, nil
}

// useWeb prepares https: its certificates, proxy and credentials.
func (m *remote) useWeb(scheme, proxy string, pushes bool) error {
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
		m.app = &appTokens{app: m.of.App, client: web, pushes: pushes}
		return m.of.App.check()
	case m.of.Password != "":
		m.auth = &githttp.BasicAuth{Username: cmp.Or(m.of.Username, "x-access-token"), Password: m.of.Password}
	}
	return nil
}

// connect begins a session, at the address that was configured.
func (m *remote) connect(ctx context.Context) (transport.UploadPackSession, error) {
	return opened(ctx, m, m.client.NewUploadPackSession)
}

// opened begins a session of a kind.
func opened[S io.Closer](ctx context.Context, m *remote, open func(*transport.Endpoint, transport.AuthMethod) (S, error)) (S, error) {
	var none S
	auth := m.auth
	if m.app != nil {
		token, err := m.app.get(ctx, time.Now())
		if err != nil {
			return none, err
		}
		auth = &githttp.BasicAuth{Username: "x-access-token", Password: token}
	}
	type session struct {
		begun S
		err   error
	}
	begun := make(chan session)
	go func() { // the library knows no context here
		at := *m.at // it writes into it where a redirect led
		s, err := open(&at, auth)
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
		return s.begun, s.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

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
	return clientError(err)
}

// host is the server's name, and its port if it is not the usual one.
func (m *remote) host() string {
	if m.at.Port == 0 {
		return m.at.Host
	}
	return net.JoinHostPort(m.at.Host, strconv.Itoa(m.at.Port))
}
