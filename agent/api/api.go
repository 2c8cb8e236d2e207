// Package api serves the read API, /api/v1: environments as JSON, over HTTP. It writes
// nothing.
//
// It does not know environments, the cluster, or who may read what: all of that is given to
// it. It limits what a request may ask for.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

// Reader is what there is to read. Lists are in the order in which they are shown.
type Reader interface {
	Environments(ctx context.Context) ([]any, error)
	Status(ctx context.Context, environment string) (any, error)
	Releases(ctx context.Context, environment string) ([]any, error)
	Drift(ctx context.Context, environment string) ([]any, error)
	History(ctx context.Context, environment string, since time.Time) ([]any, error)
	// Commit is the entry that says whether a commit is live.
	Commit(ctx context.Context, environment, commit string) (any, error)
	Revisions(ctx context.Context, environment, release string) ([]any, error)
	Difference(ctx context.Context, environment, release string, from, to int) (any, error)
	// Delivery are an environment's metrics since then; no time is the last 30 days.
	Delivery(ctx context.Context, environment string, since time.Time) (any, error)
	// Follow calls tell with the newest entry, and whenever that changes, until ctx ends.
	Follow(ctx context.Context, environment string, tell func(any)) error
}

// ErrNotFound is of what is not there; its text says what there is instead.
var ErrNotFound = errors.New("not found")

// Missing is an error that says that something is not there.
func Missing(err error) error { return missing{err} }

type missing struct{ error }

func (missing) Is(target error) bool { return target == ErrNotFound }

// Unwrap returns what was not there.
func (m missing) Unwrap() error { return m.error }

// API is the read API.
type API struct {
	Reader Reader
	// Gate says who may read what.
	Gate Gate
	// OpenAPI describes it, for everybody.
	OpenAPI []byte
	Log     *slog.Logger

	streams Streams
	unknown rate.Sometimes // who sends tokens to be asked about does not fill the log
}

// Prefix is where it lies.
const Prefix = "/api/v1/"

// route is one path, and what answers. Each is of GET.
type route struct {
	path   string
	answer func(a *API, r *http.Request) (any, error)
}

// routes are the paths below Prefix, but for the stream of events and the description.
var routes = []route{
	{"environments", (*API).environments},
	{"environments/{environment}", (*API).status},
	{"environments/{environment}/releases", listed(func(a *API, r *http.Request) ([]any, error) {
		return a.Reader.Releases(r.Context(), r.PathValue("environment"))
	})},
	{"environments/{environment}/releases/{release}/revisions", listed(func(a *API, r *http.Request) ([]any, error) {
		return a.Reader.Revisions(r.Context(), r.PathValue("environment"), r.PathValue("release"))
	})},
	{"environments/{environment}/releases/{release}/diff", (*API).difference},
	{"environments/{environment}/drift", listed(func(a *API, r *http.Request) ([]any, error) {
		return a.Reader.Drift(r.Context(), r.PathValue("environment"))
	})},
	{"environments/{environment}/history", listed((*API).history)},
	{"environments/{environment}/delivery", (*API).delivery},
	{"environments/{environment}/commits/{commit}", (*API).commit},
}

// Paths are what is answered, as the description names it.
func Paths() []string {
	out := []string{Prefix + "openapi.yaml", Prefix + "environments/{environment}/events"}
	for _, r := range routes {
		out = append(out, Prefix+r.path)
	}
	return out
}

// Handler answers all below Prefix.
func (a *API) Handler() http.Handler {
	a.unknown = rate.Sometimes{First: 1, Interval: time.Minute}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Prefix+"openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(a.OpenAPI) // who asks sees whether it arrived
	})
	for _, r := range routes {
		mux.HandleFunc("GET "+Prefix+r.path, a.guarded(func(w http.ResponseWriter, q *http.Request) {
			v, err := r.answer(a, q)
			if err != nil {
				a.fail(w, q, err)
				return
			}
			write(w, http.StatusOK, v)
		}))
	}
	mux.HandleFunc("GET "+Prefix+"environments/{environment}/events", a.guarded(a.events))
	mux.HandleFunc(Prefix, func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "there is nothing here: "+Prefix+"openapi.yaml says what there is; all of it is read by GET")
	})
	return mux
}

// guarded lets only those through that may read what they ask for.
func (a *API) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, why := a.Gate.Admits(r, r.PathValue("environment"))
		switch {
		case status == http.StatusOK:
			next(w, r)
			return
		case status == http.StatusUnauthorized:
			w.Header().Set("WWW-Authenticate", `Bearer realm="tether"`)
		case r.Context().Err() != nil: // nobody listens any more
			return
		case status >= http.StatusInternalServerError:
			a.unknown.Do(func() { a.Log.Warn("a reader can't be told from others", "error", why) })
			why = "whose the token is can't be asked now; try again"
		}
		refuse(w, status, why)
	}
}

// usage is an error of who asks.
type usage struct{ error }

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	var bad usage
	switch {
	case errors.As(err, &bad):
		refuse(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, ErrNotFound):
		refuse(w, http.StatusNotFound, err.Error())
	case r.Context().Err() != nil: // nobody listens any more
	default:
		a.Log.Warn("a reader can't be answered", "path", r.URL.Path, "error", err)
		refuse(w, http.StatusServiceUnavailable, "it can't be read now: the agent's log says why; try again")
	}
}

// refuse says why there is no answer.
func refuse(w http.ResponseWriter, status int, why string) {
	write(w, status, struct {
		Error string `json:"error"`
	}{why})
}

func write(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // who asks sees whether it arrived
}

func (a *API) environments(r *http.Request) (any, error) {
	all, err := a.Reader.Environments(r.Context())
	if err != nil {
		return nil, err
	}
	return cut(all, r)
}

func (a *API) status(r *http.Request) (any, error) {
	return a.Reader.Status(r.Context(), r.PathValue("environment"))
}

func (a *API) history(r *http.Request) ([]any, error) {
	since, err := sinceOf(r)
	if err != nil {
		return nil, err
	}
	return a.Reader.History(r.Context(), r.PathValue("environment"), since)
}

func (a *API) delivery(r *http.Request) (any, error) {
	since, err := sinceOf(r)
	if err != nil {
		return nil, err
	}
	return a.Reader.Delivery(r.Context(), r.PathValue("environment"), since)
}

// sinceOf is from when on it is asked for; zero if that is not said.
func sinceOf(r *http.Request) (time.Time, error) {
	text := r.URL.Query().Get("since")
	if text == "" {
		return time.Time{}, nil
	}
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return since, usage{fmt.Errorf("since %q: use a time like 2026-01-31T09:00:00Z", text)}
	}
	return since, nil
}

func (a *API) commit(r *http.Request) (any, error) {
	commit := r.PathValue("commit")
	if len(commit) < 7 {
		return nil, usage{fmt.Errorf("commit %q: give seven characters of it at least", commit)}
	}
	return a.Reader.Commit(r.Context(), r.PathValue("environment"), commit)
}

func (a *API) difference(r *http.Request) (any, error) {
	var n [2]int
	for i, name := range []string{"from", "to"} {
		v, err := strconv.Atoi(r.URL.Query().Get(name))
		if err != nil || v < 1 {
			return nil, usage{fmt.Errorf("%s %q: name a revision of the release, 1 or more", name, r.URL.Query().Get(name))}
		}
		n[i] = v
	}
	return a.Reader.Difference(r.Context(), r.PathValue("environment"), r.PathValue("release"), n[0], n[1])
}
