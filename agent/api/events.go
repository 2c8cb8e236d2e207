package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// The bounds of a stream. Who reads one is asked again whenever there is something to send; it
// ends by itself all the same, and whoever reads it begins another one.
const (
	streamFor = 10 * time.Minute
	beatEvery = 15 * time.Second
	writeFor  = 10 * time.Second
)

// events streams the newest commit's entry, and each change of it, as server-sent events.
func (a *API) events(w http.ResponseWriter, r *http.Request) {
	end, ok := a.begin(w, r)
	if !ok {
		return
	}
	defer end()
	ctx, cancel := context.WithTimeout(r.Context(), streamFor)
	defer cancel()
	told, ended := make(chan any, 1), make(chan error, 1)
	go func() {
		ended <- a.Reader.Follow(ctx, r.PathValue("environment"), func(v any) {
			select {
			case told <- v:
			case <-ctx.Done():
			}
		})
	}()
	select { // what can't be followed is an answer of its own
	case err := <-ended:
		if err != nil {
			a.fail(w, r, err)
		}
		return
	case first := <-told:
		a.stream(ctx, w, first, told, func() bool {
			status, _ := a.Gate.Admits(r, r.PathValue("environment"))
			return status == http.StatusOK
		})
	}
}

// begin counts a stream, or refuses it.
func (a *API) begin(w http.ResponseWriter, r *http.Request) (end func(), ok bool) {
	who, err := ReaderOf(a.Gate, r, r.PathValue("environment"))
	why := "whose the token is can't be asked now; try again"
	if err == nil {
		end, why = a.streams.Begin(who)
	}
	if end == nil {
		w.Header().Set("Retry-After", "30")
		refuse(w, http.StatusServiceUnavailable, why)
	}
	return end, end != nil
}

// stream sends what there is to tell as long as may says that the reader still may read it.
func (a *API) stream(ctx context.Context, w http.ResponseWriter, first any, told <-chan any, may func() bool) {
	send := Stream(w)
	if send == nil {
		return
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for open := send(event(first)); open; {
		text := ""
		select {
		case <-ctx.Done():
			return
		case v := <-told:
			text = event(v)
		case <-beat.C:
			text = ": still here\n\n"
		}
		open = may() && send(text)
	}
}

// Stream begins an answer of server-sent events, and returns what sends text on it at once:
// false says that nobody reads it any more. It is nil if the connection can't be had for so long.
func Stream(w http.ResponseWriter) (send func(text string) bool) {
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Time{}) != nil { // there is nothing more to read, and the request lasts
		return nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	return func(text string) bool {
		if control.SetWriteDeadline(time.Now().Add(writeFor)) != nil {
			return false
		}
		if _, err := fmt.Fprint(w, text); err != nil {
			return false
		}
		return control.Flush() == nil
	}
}

func event(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("event: commit\ndata: %s\n\n", raw)
}
