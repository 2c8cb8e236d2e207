// Package outbound restricts where requests may go: it detects redirects to another server,
// and keeps addresses from a repository away from this machine, link-local neighbours, and
// the servers at which clouds hand out credentials.
//
// It does not know git, charts or checks, nor any credentials.
package outbound

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/xetys/tether/source/printable"
)

// RedirectError says that a server sends a request on to another one.
type RedirectError struct{ From, To string }

// Error names both addresses, without what may be secret in them, and says what to do.
func (e *RedirectError) Error() string {
	return fmt.Sprintf("%s redirects to %s, which is another server: it is not asked, and no credentials are sent there; if this is right, configure %s in place of the old address", e.From, e.To, e.To)
}

// Follow returns where an answer leads; nil if it leads nowhere. It is a RedirectError
// if that has another scheme, host or port than what was asked.
func Follow(resp *http.Response, asked *url.URL) (*url.URL, error) {
	if resp.StatusCode/100 != 3 || resp.Header.Get("Location") == "" {
		return nil, nil
	}
	to, err := asked.Parse(resp.Header.Get("Location"))
	if err != nil {
		return nil, fmt.Errorf("%s redirects to what is no address", Address(asked))
	}
	if !SameOrigin(asked, to) {
		return nil, &RedirectError{Address(asked), Address(to)}
	}
	return to, nil
}

// SameOrigin reports whether two addresses have scheme, host and port in common.
func SameOrigin(a, b *url.URL) bool { return origin(a) == origin(b) }

func origin(u *url.URL) string {
	scheme := strings.ToLower(u.Scheme)
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[scheme])
	return scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// longest bounds an address that is told.
const longest = 200

// Address is an address for people: without credentials, and without what stands behind
// a ?, which may be signed.
func Address(u *url.URL) string {
	return printable.Line((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String(), longest)
}

// Rule says what may be reached of the addresses that a repository names. The zero Rule
// lets it reach all but those that are refused.
type Rule struct {
	// Allow are addresses that may be reached though they are refused by default.
	Allow []netip.Prefix
	// Local lets it reach this machine.
	Local bool
}

// At these addresses clouds answer their virtual machines, credentials and all, beside
// those that are link-local: AWS, Google, Oracle and Scaleway over IPv6, Alibaba, Azure, Oracle.
var clouds = []netip.Addr{
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd20:ce::254"),
	netip.MustParseAddr("fd00:c1::a9fe:a9fe"), netip.MustParseAddr("fd00:42::42"),
	netip.MustParseAddr("100.100.100.200"),
	netip.MustParseAddr("168.63.129.16"), netip.MustParseAddr("192.0.0.192"),
}

// nat64 is how IPv4 addresses are written where there is IPv6 alone.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Refuse says why an address may not be reached; nil if it may.
func (r Rule) Refuse(ip netip.Addr) error {
	ip = ip.Unmap().WithZone("")
	if nat64.Contains(ip) {
		raw := ip.As16()
		ip = netip.AddrFrom4([4]byte(raw[12:]))
	}
	what := ""
	switch {
	case ip.IsLoopback() || ip.IsUnspecified():
		if !r.Local {
			what = "the agent's own machine"
		}
	case ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsInterfaceLocalMulticast():
		what = "link-local"
	case ip.IsMulticast():
		what = "multicast"
	}
	for _, c := range clouds {
		if ip == c {
			what = "one at which a cloud hands out credentials"
		}
	}
	if what == "" {
		return nil
	}
	for _, p := range r.Allow {
		if p.Contains(ip) {
			return nil
		}
	}
	return &RefusedError{fmt.Sprintf("%s is %s: nothing is asked there because a repository names it; --reach can allow it", ip, what)}
}

// RefusedError says why an address is not asked.
type RefusedError struct{ why string }

// Error names the address.
func (e *RefusedError) Error() string { return e.why }

// dialTimeout bounds a connection's beginning.
const dialTimeout = 10 * time.Second

// Dial connects to a server, unless the address that its name turns out to have is
// refused.
func (r Rule) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTimeout, Control: func(_, at string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(at)
		if err != nil {
			return err
		}
		return r.Refuse(to.Addr())
	}}
	return d.DialContext(ctx, network, address)
}

// Transport returns what sends requests as base does, but to no address that is refused.
// base is the caller's no more. Where a proxy looks names up, only addresses that are
// written as such are known.
func (r Rule) Transport(base *http.Transport) http.RoundTripper {
	t := &transport{rule: r, proxy: base.Proxy, proxied: base.Clone(), direct: base}
	t.direct.Proxy, t.direct.DialContext = nil, r.Dial
	return t
}

type transport struct {
	rule            Rule
	proxy           func(*http.Request) (*url.URL, error)
	proxied, direct *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.proxy == nil {
		return t.direct.RoundTrip(req)
	}
	through, err := t.proxy(req)
	if err != nil {
		return nil, err
	}
	if through == nil {
		return t.direct.RoundTrip(req)
	}
	if err := t.refuseName(req.URL.Hostname()); err != nil {
		return nil, err
	}
	return t.proxied.RoundTrip(req)
}

func (t *transport) refuseName(host string) error {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return nil // it is a name
	}
	return t.rule.Refuse(ip)
}

// CloseIdleConnections does what http.Client's method of that name asks for.
func (t *transport) CloseIdleConnections() {
	t.direct.CloseIdleConnections()
	t.proxied.CloseIdleConnections()
}
