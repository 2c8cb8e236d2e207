package page

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/xetys/tether/agent/api"
)

// The bounds of a stream; how many there may be is as of the read API. A page is told to look again now and then
// though nothing happened: what it says of time grows old, and who leads is in no ledger.
const (
	streamFor = 10 * time.Minute
	lookAfter = 30 * time.Second
	atMost    = 500 * time.Millisecond // how often one is told, at the most
)

// live tells a page that there is something new, as a server-sent event without content:
// the page is asked for again, with all that is asked of who may see it.
func (p *Pages) live(w http.ResponseWriter, r *http.Request) {
	r = p.known(r)
	environments, err := p.followed(r)
	var no *refusal
	if errors.As(err, &no) {
		http.Error(w, no.why, no.status)
		return
	}
	who, err := api.ReaderOf(p.Gate, r, r.PathValue("environment"))
	why := "whose the token is can't be asked now"
	var end func()
	if err == nil {
		end, why = p.streams.Begin(who)
	}
	if end == nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, why, http.StatusServiceUnavailable)
		return
	}
	defer end()
	ctx, cancel := context.WithTimeout(r.Context(), streamFor)
	defer cancel()
	told, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- p.Reader.Changes(ctx, environments, func() {
			select {
			case told <- struct{}{}:
			default: // it is about to be told
			}
		})
	}()
	p.stream(ctx, w, told, ended, func() bool {
		_, err := p.followed(r)
		return err == nil
	})
}

// followed are the environments of a page that somebody may see.
func (p *Pages) followed(r *http.Request) ([]string, error) {
	if name := r.PathValue("environment"); name != "" {
		return []string{name}, p.admit(r, name)
	}
	return p.visible(r)
}

// visible are the environments that are told of in full, and that somebody may read. It is
// an error if that is none, since they may not list them either.
func (p *Pages) visible(r *http.Request) ([]string, error) {
	err := p.admit(r, "")
	var no *refusal
	if errors.As(err, &no) && no.status != http.StatusForbidden {
		return nil, err
	}
	var out []string
	for _, name := range p.Reader.EnvironmentNames() {
		if status, _ := p.Gate.Admits(r, name); status == http.StatusOK {
			out = append(out, name)
		}
	}
	if len(out) > 0 {
		err = nil
	}
	return out, err
}

// stream says that there is something new, as long as may says that the reader may look at it.
// Who may not any more is told once, and so comes to sign in.
func (p *Pages) stream(ctx context.Context, w http.ResponseWriter, told <-chan struct{}, ended <-chan error, may func() bool) {
	send := api.Stream(w)
	if send == nil {
		return
	}
	again := time.NewTicker(lookAfter)
	defer again.Stop()
	for open := send("retry: 5000\n\n"); open; {
		select {
		case <-ctx.Done():
			return
		case err := <-ended:
			if err != nil {
				p.Log.Warn("a page can't be kept up to date", "error", err)
			}
			return
		case <-told:
		case <-again.C:
		}
		open = send("event: changed\ndata:\n\n") && may()
		select {
		case <-ctx.Done():
		case <-time.After(atMost):
		}
	}
}
