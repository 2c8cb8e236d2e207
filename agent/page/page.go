// Package page serves the status page: what the read API tells of environments, as HTML.
// It writes nothing, and shows a reader no more than the read API does.
//
// It does not know the cluster, git, or whose a token is: it is given what to show, and who
// may see it.
package page

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"hash/fnv"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/agent/why"
)

// Reader is what there is to show.
type Reader interface {
	// EnvironmentNames are the environments that are told of in full.
	EnvironmentNames() []string
	Summaries(ctx context.Context) ([]status.Summary, error)
	// LastKnown does not wait for what takes long: the time that it returns is zero then.
	LastKnown(ctx context.Context, environment string) (*status.Status, time.Time, error)
	HistoryItems(ctx context.Context, environment string, since time.Time) ([]reads.HistoryItem, error)
	Delivered(ctx context.Context, environment string, since time.Time) (*reads.Delivery, error)
	Compare(ctx context.Context, environment, release string, from, to int) (*reads.Difference, error)
	// Objects are the names of what a release renders to, at a commit.
	Objects(ctx context.Context, environment, release string) (objects []string, commit string, err error)
	// Why is all that is known of one of them, and its fields with who set them.
	Why(ctx context.Context, environment, release, object string) (*why.Page, *why.Rendered, error)
	// Changes calls tell whenever there may be something new, until ctx ends.
	Changes(ctx context.Context, environments []string, tell func()) error
	// Key is a key for a purpose, which all replicas have.
	Key(ctx context.Context, purpose string) ([]byte, error)
}

// Pages are the status page, and those behind it.
type Pages struct {
	Reader Reader
	// Gate says who may see what; it is the read API's.
	Gate api.Gate
	// SignIn lets people give a token, which their browser keeps sealed. Without, the Gate
	// asks for none.
	SignIn bool
	Now    func() time.Time
	Log    *slog.Logger

	seal    seal
	streams api.Streams
}

//go:embed templates
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// templates are parsed once: a mistake in one is found by every test.
var templates = template.Must(template.New("").Funcs(template.FuncMap{"asset": assetLink}).ParseFS(templateFiles, "templates/*.html"))

// frame is what stands around each page.
type frame struct {
	Title string
	// Live is where news of this page come from.
	Live string
	// Said is the page in a sentence, which is read out when it changes.
	Said    string
	Crumbs  []link
	At      stamp
	SignOut bool
	// Partial says that the page is not whole yet.
	Partial bool
}

type link struct{ Text, To string }

// Document is what a page's template shows; each embeds a frame.
type document interface{ name() string }

// page answers with what a function makes of the request, for who may see it.
func (p *Pages) page(of func(*Pages, *http.Request) (document, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r = p.known(r)
		doc, err := of(p, r)
		var no *refusal
		switch {
		case err == nil:
			p.write(w, http.StatusOK, doc)
		case errors.As(err, &no):
			p.refuse(w, r, no.status, no.why)
		case isMissing(err):
			p.refuse(w, r, http.StatusNotFound, err.Error())
		case r.Context().Err() != nil: // nobody looks any more
		default:
			p.Log.Warn("a page can't be shown", "path", r.URL.Path, "error", err)
			p.refuse(w, r, http.StatusServiceUnavailable, "it can't be read now: the agent's log says why; try again")
		}
	}
}

// refusal is why somebody does not see a page.
type refusal struct {
	status int
	why    string
}

func (r *refusal) Error() string { return r.why }

// admit refuses who may not read an environment, or the list of all if that is empty.
func (p *Pages) admit(r *http.Request, environment string) error {
	status, why := p.Gate.Admits(r, environment)
	if status == http.StatusOK {
		return nil
	}
	if status >= http.StatusInternalServerError {
		p.Log.Warn("a reader can't be told from others", "error", why)
		why = "whose the token is can't be asked now; try again"
	}
	return &refusal{status, why}
}

func isMissing(err error) bool { return errors.Is(err, api.ErrNotFound) }

func (p *Pages) write(w http.ResponseWriter, status int, doc document) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, doc.name(), doc); err != nil {
		p.Log.Error("a page can't be rendered", "page", doc.name(), "error", err)
		http.Error(w, "the page can't be rendered: the agent's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who asks sees whether it arrived
}

func (p *Pages) frame(r *http.Request, title string, crumbs ...link) frame {
	return frame{Title: title, Crumbs: crumbs, At: newClock(p.Now()).stamp(p.Now()), SignOut: p.SignIn && hasCookie(r)}
}

// asset answers with a file of this package. Its address has its hash, so that a browser
// keeps it until there is another one.
func asset(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeFileFS(w, r, assetFiles, "assets/"+r.PathValue("name"))
}

func assetLink(name string) (string, error) {
	raw, err := assetFiles.ReadFile("assets/" + name)
	if err != nil {
		return "", err
	}
	h := fnv.New64a()
	_, _ = h.Write(raw) // never fails
	return "/assets/" + name + "?" + strconv.FormatUint(h.Sum64(), 36), nil
}
