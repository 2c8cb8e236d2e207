package fetch

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/publicsuffix"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/xetys/tether/source/outbound"
)

// connection is a host and how one is known to it.
type connection struct {
	host   string
	login  *Login // nil for nobody's
	client *http.Client
	others func(ctx context.Context, host string) (*Login, error) // the logins for other hosts
}

// known reports whether there is anything to be kept from others.
func (l *Login) known() bool { return l != nil && l.credential != auth.EmptyCredential }

func (c *connection) credential(_ context.Context, host string) (auth.Credential, error) {
	if c.login == nil || !strings.EqualFold(host, c.host) && !(c.host == "docker.io" && host == "registry-1.docker.io") {
		return auth.EmptyCredential, nil
	}
	return c.login.credential, nil
}

// get asks for a URL of the host. Where there is a login, another server may answer in
// its place only for files. The caller closes the body.
func (c *connection) get(ctx context.Context, address string, header http.Header, file bool) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%s is no address", Shown(address))
	}
	req.Header = header.Clone()
	if req.Header == nil {
		req.Header = http.Header{}
	}
	client := *c.client
	client.CheckRedirect = c.redirects(func(*url.URL) bool { return file })
	if l := c.login; l != nil && l.credential.Username+l.credential.Password != "" {
		req.SetBasicAuth(l.credential.Username, l.credential.Password)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, c.explain(err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotModified {
		resp.Body.Close()
		return nil, c.answered(resp.StatusCode)
	}
	return resp, nil
}

const maxRedirects = 10

var errRedirects = fmt.Errorf("it redirects more than %d times", maxRedirects)

// redirects says which redirects are followed. No credentials go to any other scheme,
// host or port: Go's own client would send them to another port, and to names below the
// host's. Where there is a login, another server is asked, without it, only for files and blobs,
// which many hosts keep elsewhere; who has none may be sent on.
func (c *connection) redirects(file func(asked *url.URL) bool) func(*http.Request, []*http.Request) error {
	return func(req *http.Request, via []*http.Request) error {
		first, last := via[0], via[len(via)-1]
		local := loopback(last.URL.Hostname()) && last.URL.Host == req.URL.Host
		switch {
		case len(via) >= maxRedirects:
			return errRedirects
		case last.URL.Scheme == "https" && req.URL.Scheme == "http" && !local:
			return errClear
		case outbound.SameOrigin(first.URL, req.URL):
			return nil
		}
		for _, name := range []string{"Authorization", "Cookie", "Referer"} {
			req.Header.Del(name)
		}
		asks := req.Method == http.MethodGet || req.Method == http.MethodHead
		if local && asks || asks && (!c.login.known() || file(first.URL)) {
			return nil
		}
		return &outbound.RedirectError{From: outbound.Address(first.URL), To: outbound.Address(req.URL)}
	}
}

// registry is the client of a registry: with a login, it keeps that to the registry and
// its own token service.
func (c *connection) registry() *http.Client {
	client := *c.client
	client.CheckRedirect = c.redirects(func(asked *url.URL) bool {
		return strings.Contains(asked.Path, "/blobs/sha256:") || strings.Contains(asked.Path, "/manifests/sha256:")
	})
	client.Transport = &discreet{c, c.client.Transport}
	return &client
}

// discreet sends what proves who we are to a registry, and to a token service that may
// have it, and to nobody else.
type discreet struct {
	*connection
	next http.RoundTripper
}

// RoundTrip sends a request.
func (d *discreet) RoundTrip(req *http.Request) (*http.Response, error) {
	proof := req.Header.Get("Authorization") != "" || req.Method == http.MethodPost
	if !proof || d.isRegistry(req.URL) {
		return d.next.RoundTrip(req)
	}
	_, _, basic := req.BasicAuth()
	switch {
	case (basic || req.Method == http.MethodPost) && ownService(d.host, req.URL):
		return d.next.RoundTrip(req)
	case !basic:
		return nil, &realmError{d.host, outbound.Address(req.URL)}
	}
	login, err := d.others(req.Context(), strings.ToLower(req.URL.Host))
	if err != nil {
		return nil, err
	}
	if !login.known() || req.URL.Scheme != "https" {
		return nil, &realmError{d.host, outbound.Address(req.URL)}
	}
	req = req.Clone(req.Context())
	req.SetBasicAuth(login.credential.Username, login.credential.Password)
	return d.next.RoundTrip(req)
}

// isRegistry reports whether an address is the registry's own.
func (c *connection) isRegistry(u *url.URL) bool {
	return strings.EqualFold(u.Host, c.host) || c.host == "docker.io" && u.Host == "registry-1.docker.io"
}

// ownService reports whether the token service that a registry names is its own:
// at the registry's very address, or over https at the usual port, or the registry's, of
// a host of the same domain, as Docker Hub's and GitLab's are. What shares no more than
// a suffix under which anybody can have a name (co.uk, github.io) is another's, and so
// is, for a registry without a public name, all but itself.
func ownService(registry string, realm *url.URL) bool {
	own := (&url.URL{Host: registry})
	if realm.Scheme != "https" || realm.Port() != "" && realm.Port() != "443" && realm.Port() != own.Port() {
		return false
	}
	theirs, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(realm.Hostname()))
	if err != nil || !public(realm.Hostname()) {
		return false
	}
	ours, err := publicsuffix.EffectiveTLDPlusOne(strings.ToLower(own.Hostname()))
	return err == nil && ours == theirs
}

// public reports whether a name ends in a suffix that is known to be one.
func public(host string) bool {
	suffix, icann := publicsuffix.PublicSuffix(strings.ToLower(host))
	return icann || strings.Contains(suffix, ".")
}

// realmError says that a registry wants its login at a host that is not its own.
type realmError struct{ host, realm string }

// Error names both, and how to allow it.
func (e *realmError) Error() string {
	return fmt.Sprintf("%s wants its login to be sent to %s, which is not in its own domain: it is not sent there; if this is right, give a login for that host too, in spec.chartCredentials or --registry-config", e.host, e.realm)
}
