package kube

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// What changes nothing is sent again when the API server meets trouble of its own; what may
// change something, what is about an object, and what asks for patience is not.
func TestWhatChangesNothingIsSentAgain(t *testing.T) {
	const leader = "etcdserver: leader changed"
	for name, c := range map[string]struct {
		method, url, body string
		code              int
		says, after       string
		reset             bool
		sent              int
	}{
		"a read":                          {method: "GET", url: "/api/v1/namespaces", code: 500, says: leader, sent: 2},
		"a gateway before it":             {method: "GET", url: "/api/v1/namespaces", code: 502, says: "<html>", sent: 2},
		"a dry-run":                       {method: "PATCH", url: "/api/v1/namespaces/a?dryRun=All", body: "x", code: 500, says: leader, sent: 2},
		"a dry-run that is cut off":       {method: "POST", url: "/api/v1/namespaces?dryRun=All", body: "x", reset: true, sent: 2},
		"a write":                         {method: "PATCH", url: "/api/v1/namespaces/a", body: "x", code: 500, says: leader, sent: 1},
		"a write that is cut off":         {method: "POST", url: "/api/v1/namespaces", body: "x", reset: true, sent: 1},
		"a watch":                         {method: "GET", url: "/api/v1/namespaces?watch=true", code: 500, says: leader, sent: 1},
		"what a webhook does":             {method: "PATCH", url: "/api/v1/namespaces/a?dryRun=All", body: "x", code: 500, says: `failed calling webhook "a"`, sent: 1},
		"what is too large":               {method: "PATCH", url: "/api/v1/namespaces/a?dryRun=All", body: "x", code: 500, says: "etcdserver: request is too large", sent: 1},
		"who asks for patience":           {method: "GET", url: "/api/v1/namespaces", code: 503, says: "later", after: "1", sent: 1},
		"what is not there":               {method: "GET", url: "/api/v1/namespaces/a", code: 404, says: "not found", sent: 1},
		"what the API server has not got": {method: "GET", url: "/api/v1/namespaces/a", code: 501, says: "no", sent: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var bodies []string
			transport := again(roundTripper(func(r *http.Request) (*http.Response, error) {
				body := ""
				if r.Body != nil {
					raw, err := io.ReadAll(r.Body)
					if err != nil {
						t.Fatal(err)
					}
					body = string(raw)
				}
				bodies = append(bodies, body)
				if len(bodies) > 1 {
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("well"))}, nil
				}
				if c.reset {
					return nil, syscall.ECONNRESET
				}
				resp := &http.Response{StatusCode: c.code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(c.says))}
				if c.after != "" {
					resp.Header.Set("Retry-After", c.after)
				}
				return resp, nil
			}))
			req, err := http.NewRequestWithContext(t.Context(), c.method, "http://cluster"+c.url, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.body == "" {
				req.Body = nil
			}
			resp, err := transport.RoundTrip(req)
			if len(bodies) != c.sent {
				t.Fatalf("it was sent %d times, want %d", len(bodies), c.sent)
			}
			for _, body := range bodies {
				if body != c.body {
					t.Errorf("its body was %q, want %q", body, c.body)
				}
			}
			if c.sent == 1 && c.reset {
				if !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the answer is %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			want := c.says
			if c.sent > 1 {
				want = "well"
			}
			if said, err := io.ReadAll(resp.Body); err != nil || string(said) != want {
				t.Errorf("the answer says %q, %v; want %q", said, err, want)
			}
		})
	}
}

// Trouble that lasts is told after some requests, as the API server tells it; whoever waits for
// it no more ends it.
func TestATroubleThatLastsIsTold(t *testing.T) {
	sent := 0
	transport := again(roundTripper(func(*http.Request) (*http.Response, error) {
		sent++
		return &http.Response{StatusCode: 500, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(strings.Repeat("away ", 50_000)))}, nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://cluster/api", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Body = nil
	for _, want := range []int{4, 1} {
		sent = 0
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		said, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || len(said) != 250_000 || sent != want {
			t.Errorf("%d bytes after %d requests, want all after %d: %v", len(said), sent, want, err)
		}
		cancel()
	}
}
