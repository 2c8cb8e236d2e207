package agent

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

// Serve answers /healthz, /readyz, /metrics and /webhook on address until ctx ends,
// and /debug/pprof if Options.Profiling is set.
// listening is called with the address that was really bound.
func (a *Agent) Serve(ctx context.Context, address string, gatherer prometheus.Gatherer, listening func(net.Addr)) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; choose another address with --listen", address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", answer(a.alive))
	mux.HandleFunc("GET /readyz", answer(a.ready))
	if a.opts.Profiling {
		profile(mux)
	}
	mux.Handle("/webhook", a.newWebhook(ctx))
	listening(l.Addr())
	if err := serve(ctx, l, mux, connectionsFor(descriptors()), a.log); err != nil {
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
