// Package web is the agent's HTTP server: probes, metrics, profiles and the webhook, with
// limits by which no client can keep others from being served.
//
// It does not know environments, git or the cluster: the answers, and what a push leads to,
// are given to it.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server is what is answered, and from what.
type Server struct {
	// Alive and Ready are what /healthz and /readyz say.
	Alive, Ready func() error
	// Metrics are served at /metrics.
	Metrics prometheus.Gatherer
	// Webhook is served at /webhook.
	Webhook http.Handler
	// API is served below /api/v1/; nil for none.
	API http.Handler
	// Page is served at all other paths; nil for none.
	Page http.Handler
	// Profiling serves Go's profiles at /debug/pprof.
	Profiling bool
	// Log is told of requests that could not be answered.
	Log *slog.Logger
}

// Serve answers on address until ctx ends. listening is called with the address that was
// really bound.
func (s Server) Serve(ctx context.Context, address string, listening func(net.Addr)) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --listen", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", answer(s.Alive))
	mux.HandleFunc("GET /readyz", answer(s.Ready))
	if s.Profiling {
		profile(mux)
	}
	mux.Handle("/webhook", s.Webhook)
	if s.API != nil {
		mux.Handle("/api/v1/", s.API)
	}
	if s.Page != nil {
		mux.Handle("/", s.Page)
	}
	listening(l.Addr())
	if err := serve(ctx, l, mux, connectionsFor(descriptors()), s.Log); err != nil {
		return fmt.Errorf("serve on %s: %w", address, err)
	}
	return nil
}

// serve answers on a listener until ctx ends. Who is slow, or silent, is cut off.
func serve(ctx context.Context, l net.Listener, handler http.Handler, limit int, to *slog.Logger) error {
	bounded := newConnections(l, limit)
	server := &http.Server{Handler: handler, ConnState: bounded.changed, MaxHeaderBytes: maxHeaders,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(to.Handler(), slog.LevelWarn)}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(bye) != nil { // who is slow does not keep the process
			_ = server.Close()
		}
	}()
	if err := server.Serve(bounded); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// profile serves Go's profiles, for go tool pprof.
func profile(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
}

// answer turns a check into a handler: 200 ok, or 503 and the reason.
func answer(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := check(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}
