package git

import (
	"context"
	"errors"
	"net"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// The library connects to ssh servers by itself, without a context, and waits for ever
// for one that takes the connection and says nothing. What it does take is the address
// of a proxy; there it is given a dialer of our own.
const impatient = "impatient"

func init() { proxy.RegisterDialerType(impatient, dialerOf) }

// dialledBy returns the address of a proxy that leads to an ssh server through another
// proxy, if there is one, over connections on which nothing may be silent for longer
// than after.
func dialledBy(through string, after time.Duration) (string, error) {
	u, err := url.Parse(through)
	if through != "" && (err != nil || u.Scheme != "socks5" && u.Scheme != "socks5h") {
		return "", errors.New("a repository over ssh is reached through a socks5://… proxy only: use that, or https for the repository")
	}
	return (&url.URL{Scheme: impatient, Host: "dialer", RawQuery: url.Values{"through": {through}, "after": {after.String()}}.Encode()}).String(), nil
}

// dialerOf reads what dialledBy wrote.
func dialerOf(u *url.URL, _ proxy.Dialer) (proxy.Dialer, error) {
	after, err := time.ParseDuration(u.Query().Get("after"))
	if err != nil {
		return nil, err
	}
	direct := impatientDialer{after}
	through := u.Query().Get("through")
	if through == "" {
		return contextual(proxy.FromEnvironmentUsing(direct))
	}
	to, err := url.Parse(through)
	if err != nil {
		return nil, err
	}
	return proxy.FromURL(to, direct)
}

// contextual holds a dialer to be what go-git wants.
func contextual(d proxy.Dialer) (proxy.Dialer, error) {
	if _, ok := d.(proxy.ContextDialer); !ok {
		return nil, errors.New("the proxy that ALL_PROXY names is of a kind that is not supported: use socks5://…")
	}
	return d, nil
}

type impatientDialer struct{ after time.Duration }

// Dial implements proxy.Dialer.
func (d impatientDialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext implements proxy.ContextDialer.
func (d impatientDialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &impatientConn{conn, d.after}, nil
}

// impatientConn gives each read and each write its time.
type impatientConn struct {
	net.Conn
	after time.Duration
}

// Read implements net.Conn.
func (c *impatientConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.after)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c *impatientConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.after)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
