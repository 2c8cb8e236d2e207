package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/xetys/tether/source/outbound"
	"github.com/xetys/tether/source/printable"
)

// sink is a place where people are told. It is safe for concurrent use.
type sink interface {
	// send tells a notice. known is what the sink called it when it was told before, empty
	// at first; it returns what it is called from now on.
	send(ctx context.Context, n Notice, known string) (string, error)
	// follows reports whether it is told of what changes: one that can't change what it
	// was told is told when the matter has ended, or is bad.
	follows() bool
	// address is where it sends to, without anything that is secret.
	address() string
}

// repeater is a sink that forgets what it is not told again.
type repeater interface {
	repeats()
}

const (
	sendTimeout  = 15 * time.Second
	maxAnswer    = 64 << 10
	maxComplaint = 200
)

// call sends JSON to an address, and reads the answer as JSON into out, if that is not nil.
// Errors name neither headers nor what was sent, and of the address the host alone: sinks
// have secrets in their paths.
func call(ctx context.Context, method, address string, header http.Header, in, out any) error {
	var raw []byte
	if method != http.MethodGet {
		var err error
		if raw, err = json.Marshal(in); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(raw))
	if err != nil {
		return errors.New("its address can't be asked")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tether")
	for k, v := range header {
		req.Header[k] = v
	}
	res, err := client.Do(req)
	if err != nil {
		return plain(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return plain(err)
	}
	if res.StatusCode/100 != 2 {
		return &answerError{res.StatusCode, printable.Line(string(body), maxComplaint)}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("it answers what is no JSON (%s): is the address right?", printable.Line(res.Header.Get("Content-Type"), maxComplaint))
	}
	return nil
}

// answerError is a refusal of a sink.
type answerError struct {
	code int
	body string
}

func (e *answerError) Error() string { return fmt.Sprintf("it answers %d: %s", e.code, e.body) }

// lasting reports whether the same will be refused again, and what else is sent may not be: a
// wrong token or a limit of messages is not of this kind.
func (e *answerError) lasting() bool {
	switch e.code {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusConflict, http.StatusGone, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// client follows no redirect: what is sent has credentials.
var client = &http.Client{
	CheckRedirect: func(next *http.Request, via []*http.Request) error {
		return &outbound.RedirectError{From: via[0].URL.Host, To: next.URL.Host}
	},
}

// plain is an error without the address, which may be secret.
func plain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// hostOf is what is told of an address.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// identified is a sink in which what several clusters say of environments of one name lies
// together: its notices have an Origin.
type identified interface{ identifies() }
