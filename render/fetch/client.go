package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/xetys/tether/source/outbound"
)

// How long a host may take.
const (
	dialTimeout   = 10 * time.Second // as outbound has it
	answerTimeout = 30 * time.Second
	fetchTimeout  = time.Minute
)

// careful sends nothing in the clear, but to this machine, where a registry
// without TLS is reached as well.
type careful struct{ next http.RoundTripper }

var errClear = errors.New("it leads to an address with http://, which anybody on the way can read and change")

// RoundTrip sends a request. What is answered has to be a file.
func (c *careful) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.roundTrip(req)
	if err != nil {
		return nil, err
	}
	return asFile(resp)
}

func (c *careful) roundTrip(req *http.Request) (*http.Response, error) {
	local := loopback(req.URL.Hostname())
	if req.URL.Scheme == "http" && !local {
		return nil, errClear
	}
	resp, err := c.next.RoundTrip(req)
	var record tls.RecordHeaderError
	if err == nil || !local || req.Body != nil || !errors.As(err, &record) || string(record.RecordHeader[:]) != "HTTP/" {
		return resp, err
	}
	clear := req.Clone(req.Context())
	clear.URL.Scheme = "http"
	return c.next.RoundTrip(clear)
}

// answered says what an HTTP status means.
func (c *connection) answered(status int) error {
	text := fmt.Sprintf("%d %s", status, http.StatusText(status))
	switch {
	case status == http.StatusNotFound || status == http.StatusGone:
		return errAbsent
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && c.login != nil:
		return fmt.Errorf("%s does not let the login from %s have it (%s): check the login, and what it may read", c.host, c.login.From, text)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%s wants a login (%s): name a Secret with one in spec.chartCredentials, or give --registry-config", c.host, text)
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500:
		return &AwayError{c.host, text}
	}
	return fmt.Errorf("%s answers %s", c.host, text)
}

// explain tells trouble on the way from what will be the same the next time. URLs
// are left out of what it says: those of redirects can hold signatures.
func (c *connection) explain(err error) error {
	var exchange *url.Error
	for e := exchange; errors.As(err, &e); err = e.Err {
		exchange = e
	}
	host := c.host
	if exchange != nil {
		if at := hostOf(exchange.URL); at != "" && at != host {
			host += " (which leads to " + at + ")"
		}
	}
	var untrusted *tls.CertificateVerificationError
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	var elsewhere *outbound.RedirectError
	var refused *outbound.RefusedError
	var realm *realmError
	var page *pageError
	switch {
	case errors.As(err, &page):
		return &AwayError{host, page.why}
	case errors.As(err, &elsewhere):
		return elsewhere
	case errors.As(err, &refused):
		return fmt.Errorf("%s: %w", host, refused)
	case errors.As(err, &realm):
		return realm
	case errors.As(err, &untrusted):
		return fmt.Errorf("%s has a certificate that can't be trusted (%w): give the certificates to check it against as ca.crt of its Secret, or with --registry-ca-file", host, untrusted.Err)
	case errors.Is(err, errClear):
		return fmt.Errorf("%s: %w", host, errClear)
	case errors.Is(err, errRedirects):
		return fmt.Errorf("%s: %w", host, errRedirects)
	case errors.Is(err, context.Canceled):
		return &AwayError{host, "it was not waited for"}
	case errors.As(err, &dns):
		return &AwayError{host, "its name can't be looked up"}
	case errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return &AwayError{host, fmt.Sprintf("no connection within %s", dialTimeout)}
	case errors.Is(err, context.DeadlineExceeded):
		return &AwayError{host, fmt.Sprintf("not done within %s", fetchTimeout)}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &AwayError{host, fmt.Sprintf("no answer within %s", answerTimeout)}
	case errors.As(err, &op):
		return &AwayError{host, op.Op + ": " + op.Err.Error()}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), exchange != nil:
		return &AwayError{host, "the exchange with it broke off"}
	}
	return fmt.Errorf("%s: %w", host, err)
}

// brokeOff explains why a body could not be read to its end.
func (c *connection) brokeOff(err error) error {
	return c.explain(&url.Error{Op: "Get", Err: err})
}
