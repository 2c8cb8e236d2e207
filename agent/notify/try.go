package notify

import (
	"context"
	"slices"
	"time"
)

// Result is how a try of a sink ended.
type Result struct {
	Sink    string
	Skipped string // why it was not told; empty if it was
	Err     error
}

// Try tells sinks, all of them if none is named, that something goes on and that it is over.
func (c *Config) Try(ctx context.Context, names []string, environment string, now time.Time) []Result {
	var out []Result
	for _, r := range c.rules {
		if len(names) > 0 && !slices.Contains(names, r.name) {
			continue
		}
		res := Result{Sink: r.name}
		if _, is := r.sink.(*forge); is {
			res.Skipped = "sets statuses of commits alone: push one to try it"
		} else {
			n := Notice{ID: environment + "/test/" + now.UTC().Format(time.RFC3339), Kind: Fight, State: Open, Environment: environment, Origin: "test", Since: now.UTC(),
				Title: environment + ": this is a test of Tether's notifications", Lines: []string{"Nothing is wrong."}}
			known := ""
			if known, res.Err = r.sink.send(ctx, n, ""); res.Err == nil {
				n.State, n.Title = Over, n.Title+": it is over"
				_, res.Err = r.sink.send(ctx, n, known)
			}
		}
		out = append(out, res)
	}
	return out
}
