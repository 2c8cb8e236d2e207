// Package faults puts a proxy in front of an API server, which passes on what is
// asked, tells what that was, and by rules that come and go has the server look
// like one in trouble: errors, latency, connections that reset or say nothing.
//
// It does not know Tether.
package faults

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Proxy stands in front of one API server. It is safe for concurrent use.
type Proxy struct {
	// URL is its address.
	URL    string
	server *httptest.Server
	token  string
	// own sends requests as the user of the kubeconfig that the proxy was started
	// with, theirs as whoever the request says.
	own, theirs http.Handler

	mu       sync.Mutex
	rules    []*rule
	requests []*Request
	conns    map[net.Conn]bool
}

// rule is a Rule that is in force.
type rule struct {
	Rule
	met, struck int
	removed     chan struct{}
}

// Start starts a proxy for the API server of a kubeconfig.
func Start(kubeconfig string) (*Proxy, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 16)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	p := &Proxy{token: hex.EncodeToString(secret), conns: map[net.Conn]bool{}}
	if p.own, err = forward(config); err != nil {
		return nil, err
	}
	if p.theirs, err = forward(rest.AnonymousClientConfig(config)); err != nil {
		return nil, err
	}
	p.server = httptest.NewUnstartedServer(p)
	p.server.EnableHTTP2 = true
	p.server.Config.ConnState = p.connState
	p.server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	p.server.Config.ErrorLog = quiet
	p.server.StartTLS()
	p.URL = p.server.URL
	return p, nil
}

// quiet drops what the server says of connections that end as they are told to.
var quiet = log.New(io.Discard, "", 0)

// forward is a handler that passes requests on; what is watched arrives at once.
func forward(config *rest.Config) (http.Handler, error) {
	to, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, ErrorLog: quiet,
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) },
		// A server that can't be reached is told by the end of the connection, and not by a 502.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}, nil
}

// Close ends the proxy and all its connections.
func (p *Proxy) Close() {
	p.Clear()
	p.Cut()
	p.server.Close()
}

func (p *Proxy) connState(c net.Conn, s http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch s {
	case http.StateNew:
		p.conns[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(p.conns, c)
	}
}

// Cut resets every connection that is open now, the watches' too.
func (p *Proxy) Cut() {
	p.mu.Lock()
	open := p.conns
	p.conns = map[net.Conn]bool{}
	p.mu.Unlock()
	for c := range open {
		reset(c)
	}
}

// connKey is where a request's context holds its connection.
type connKey struct{}

func reset(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // a reset, and not an orderly end
	}
	_ = c.Close() // it may be closed
}

// Add puts a rule in force. The first that matches a request strikes it.
func (p *Proxy) Add(r Rule) error {
	if err := r.check(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, &rule{Rule: r, removed: make(chan struct{})})
	return nil
}

// Clear removes the rules of the given names, or all; what they kept back goes on.
func (p *Proxy) Clear(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kept []*rule
	for _, r := range p.rules {
		gone := len(names) == 0
		for _, n := range names {
			gone = gone || n == r.Name
		}
		if gone {
			close(r.removed)
		} else {
			kept = append(kept, r)
		}
	}
	p.rules = kept
}

// Requests returns what was asked for so far and matches, oldest first.
func (p *Proxy) Requests(m Match) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Request
	for _, r := range p.requests {
		if m.Matches(*r) {
			out = append(out, *r)
		}
	}
	return out
}

// Struck returns how many requests the faults of a name have struck so far, also
// after they were removed.
func (p *Proxy) Struck(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.requests {
		if r.Fault == name {
			n++
		}
	}
	return n
}

// Forget forgets the requests so far.
func (p *Proxy) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests = nil
}

// ServeHTTP passes a request on, or has its fault strike.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	parsed, err := parse(req)
	if err != nil {
		panic(http.ErrAbortHandler) // the client is gone
	}
	next := p.theirs
	if req.Header.Get("Authorization") == "Bearer "+p.token {
		req.Header.Del("Authorization")
		next = p.own
	}
	record, hit := p.note(parsed)
	answer := &answer{ResponseWriter: w, said: func(code int) {
		p.mu.Lock()
		record.Code = code
		p.mu.Unlock()
	}}
	if hit == nil {
		next.ServeHTTP(answer, req)
		return
	}
	hit.strike(answer, req, next)
}

// note records a request and finds the rule that strikes it.
func (p *Proxy) note(parsed Request) (*Request, *rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	record := &parsed
	p.requests = append(p.requests, record)
	for _, r := range p.rules {
		if !r.Matches(parsed) || r.Times > 0 && r.struck >= r.Times {
			continue
		}
		if r.met++; r.met <= r.After || r.Every > 1 && (r.met-r.After)%r.Every != 0 {
			continue
		}
		r.struck++
		record.Fault = r.Name
		return record, r
	}
	return record, nil
}

// answer tells which status a client gets.
type answer struct {
	http.ResponseWriter
	said func(code int)
}

// WriteHeader tells the status and passes it on.
func (a *answer) WriteHeader(code int) {
	a.said(code)
	a.ResponseWriter.WriteHeader(code)
}

// Unwrap gives http.ResponseController what it flushes.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (r *rule) strike(w http.ResponseWriter, req *http.Request, next http.Handler) {
	if !r.wait(req) {
		panic(http.ErrAbortHandler)
	}
	if r.Reset == "after" {
		next.ServeHTTP(httptest.NewRecorder(), req)
	}
	switch {
	case r.Reset != "":
		reset(req.Context().Value(connKey{}).(net.Conn))
		panic(http.ErrAbortHandler)
	case r.Status != 0:
		r.refuse(w)
	default:
		next.ServeHTTP(w, req)
	}
}

// wait lets the latency pass, and reports whether the client is still there.
func (r *rule) wait(req *http.Request) bool {
	if r.Blackhole {
		select {
		case <-r.removed:
			return true
		case <-req.Context().Done():
			return false
		}
	}
	if r.Latency > 0 {
		select {
		case <-time.After(r.Latency):
		case <-r.removed:
		case <-req.Context().Done():
			return false
		}
	}
	return true
}

// refuse answers as the API server does when it fails.
func (r *rule) refuse(w http.ResponseWriter) {
	status := metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: int32(r.Status), Message: r.Message, Reason: metav1.StatusReason(r.Reason),
	}
	if r.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(r.RetryAfter))
		status.Details = &metav1.StatusDetails{RetryAfterSeconds: int32(r.RetryAfter)}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.Status)
	_ = json.NewEncoder(w).Encode(status) // who asks sees whether it arrived
}
