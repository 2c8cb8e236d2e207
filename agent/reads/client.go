package reads

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/status"
)

// Client asks an agent's read API.
type Client struct {
	base   *url.URL
	token  string
	client *http.Client
}

// The bounds of what a server may answer.
const (
	serverTimeout = 30 * time.Second
	maxAnswer     = 64 << 20
)

// Ask returns a Client of the agent at an address, with a token from a file if one is
// named. No token is sent in the clear to another machine.
func Ask(address, tokenFile string) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		return nil, fmt.Errorf("--server %q: use http:// or https:// and a host", address)
	}
	s := &Client{base: base, client: &http.Client{Timeout: serverTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if tokenFile == "" {
		return s, nil
	}
	if base.Scheme == "http" && !api.IsLoopback(net.JoinHostPort(base.Hostname(), cmp.Or(base.Port(), "80"))) {
		return nil, fmt.Errorf("--server %s: whoever is on the way would read the token; use https, or kubectl port-forward and http://localhost", base)
	}
	raw, err := os.ReadFile(tokenFile)
	if err != nil {
		return nil, fmt.Errorf("--token-file: %w", err)
	}
	if s.token = strings.TrimSpace(string(raw)); s.token == "" || strings.ContainsAny(s.token, "\r\n") {
		return nil, fmt.Errorf("--token-file %s: it holds no token in one line", tokenFile)
	}
	return s, nil
}

// refusedError is what a server says in place of an answer.
type refusedError struct {
	status int
	text   string
}

func (r *refusedError) Error() string { return r.text }

// get reads one answer.
func (s *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	at := s.base.JoinPath(path)
	at.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return err
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the agent: %w", err)
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode == http.StatusOK {
		if err := json.NewDecoder(body).Decode(into); err != nil {
			return fmt.Errorf("ask the agent at %s: its answer can't be read: %w; is --server the agent's address?", at, err)
		}
		return nil
	}
	var said struct{ Error string }
	if json.NewDecoder(body).Decode(&said) != nil || said.Error == "" {
		said.Error = "it answers " + resp.Status + "; is --server the agent's address?"
	}
	return &refusedError{resp.StatusCode, fmt.Sprintf("the agent at %s: %s", s.base, said.Error)}
}

// pathTo is a path of the API; names in it are escaped.
func pathTo(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return api.Prefix + strings.Join(parts, "/")
}

// every reads all pages of a list.
func every[T any](ctx context.Context, s *Client, path string, query url.Values) ([]T, error) {
	out := []T{}
	if query == nil {
		query = url.Values{}
	}
	for {
		var page struct {
			Items    []T
			Continue string
		}
		if err := s.get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		if out = append(out, page.Items...); page.Continue == "" || len(page.Items) == 0 {
			return out, nil
		}
		query.Set("continue", page.Continue)
	}
}

// Summaries returns a line for each environment.
func (s *Client) Summaries(ctx context.Context) ([]status.Summary, error) {
	return every[status.Summary](ctx, s, pathTo("environments"), nil)
}

// Status returns what runs in an environment.
func (s *Client) Status(ctx context.Context, environment string) (*status.Status, error) {
	st := &status.Status{}
	return st, s.get(ctx, pathTo("environments", environment), nil, st)
}

// Revisions returns the records of a release, newest first.
func (s *Client) Revisions(ctx context.Context, environment, release string) ([]status.Revision, error) {
	return every[status.Revision](ctx, s, pathTo("environments", environment, "releases", release, "revisions"), nil)
}

// Ledger returns as much of an environment's ledger as its history tells.
func (s *Client) Ledger(ctx context.Context, environment string, since time.Time) (*ledger.Ledger, error) {
	query := url.Values{}
	if !since.IsZero() {
		query.Set("since", since.UTC().Format(time.RFC3339))
	}
	story, err := every[HistoryItem](ctx, s, pathTo("environments", environment, "history"), query)
	if err != nil {
		return nil, err
	}
	l := &ledger.Ledger{Environment: environment}
	for i := len(story) - 1; i >= 0; i-- { // oldest first
		switch m := story[i]; {
		case m.Act != nil:
			l.Acts = append(l.Acts, *m.Act)
		case m.Entry != nil:
			l.Entries = append(l.Entries, *m.Entry)
		}
	}
	return l, nil
}

// askEvery is how often a server is asked what became of a commit.
const askEvery = 2 * time.Second

// Wait returns when a commit has come to its verdict, as ledger.Wait does. A server that
// does not answer for a while is asked again.
func (s *Client) Wait(ctx context.Context, environment, commit string, progress func(*ledger.Entry)) (*ledger.Entry, error) {
	for {
		e := &ledger.Entry{}
		err := s.get(ctx, pathTo("environments", environment, "commits", commit), nil, e)
		var refused *refusedError
		switch {
		case err == nil && e.Verdict.Final():
			return e, nil
		case err == nil:
			progress(e)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &refused) && refused.status == http.StatusNotFound:
			progress(nil)
		case errors.As(err, &refused) && refused.status < http.StatusInternalServerError:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(askEvery):
		}
	}
}
