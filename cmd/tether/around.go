package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// happening is one line of what went on around a moment: a contract with other programs.
type happening struct {
	At time.Time `json:"at"`
	// Kind is commit, verdict, what people or the agent did (pause, resume, sync, retry,
	// confirm, repair), how health turned (unhealthy, recovered), or event for what the agent
	// told of the environment besides.
	Kind   string `json:"kind"`
	Commit string `json:"commit,omitempty"`
	By     string `json:"by,omitempty"`
	Text   string `json:"text"`
}

// timeline is what went on around a moment, oldest first.
type timeline struct {
	Environment string    `json:"environment"`
	From        time.Time `json:"from"`
	To          time.Time `json:"to"`
	// Ran is the commit that was live when it begins; left out if that is not known.
	Ran        *ledger.Commit `json:"ran,omitempty"`
	Happenings []happening    `json:"happenings"`
	Notes      []string       `json:"notes,omitempty"`
}

// around prints what went on around a moment: deploys, drift, pauses, health.
func (f *historyFlags) aroundMoment(ctx context.Context, w io.Writer, environment string, now time.Time) error {
	at, err := f.momentOf(now)
	if err != nil {
		return err
	}
	if f.around <= 0 {
		return usageError{fmt.Errorf("--around %s: use a duration such as 1h", f.around)}
	}
	l, control, err := f.read(ctx, environment, time.Time{})
	if err != nil {
		return err
	}
	out := &timeline{Environment: environment, From: at.Add(-f.around).UTC().Truncate(time.Second), To: at.Add(f.around).UTC().Truncate(time.Second), Happenings: []happening{}}
	for _, m := range slices.Backward(l.History(control, time.Time{}, 0)) { // the oldest first: many have one second
		out.Happenings = append(out.Happenings, happenings(m)...)
	}
	f.tellEvents(ctx, out)
	out.Happenings = slices.DeleteFunc(out.Happenings, func(h happening) bool { return h.At.Before(out.From) || h.At.After(out.To) })
	slices.SortStableFunc(out.Happenings, func(a, b happening) int { return a.At.Compare(b.At) })
	if e := liveAt(l, out.From); e != nil {
		out.Ran = &e.Commit
	}
	if n := len(l.Entries); n > 0 && l.Entries[0].Started.After(out.From) {
		out.Notes = append(out.Notes, "the ledger knows from "+stamp(l.Entries[0].Started)+" on")
	}
	return f.print(w, out, func(w io.Writer) error { return tableOfTimeline(w, out) })
}

// momentOf reads --at: a time, or when a commit was made.
func (f *historyFlags) momentOf(now time.Time) (time.Time, error) {
	at, err := parseMoment(f.at, now)
	if err != nil || at.commit == "" {
		return at.time, err
	}
	p, err := f.openPast()
	if err != nil {
		return time.Time{}, err
	}
	c, err := p.Commit(at.commit)
	if err != nil {
		return time.Time{}, usageError{err}
	}
	return c.Time, nil
}

// happenings are the lines that one moment of the ledger's makes.
func happenings(m ledger.HistoryItem) []happening {
	if a := m.Act; a != nil {
		text := strings.TrimSpace(a.Release + " " + a.Reason)
		if t := actText(a); t != "-" {
			text = strings.TrimSpace(text + " (" + t + ")")
		}
		return []happening{{At: a.At, Kind: a.Kind, Commit: a.Commit, By: a.By, Text: text}}
	}
	e := m.Entry
	out := []happening{{At: e.Started, Kind: "commit", Commit: e.Commit.Commit, By: e.Author, Text: e.Subject}}
	if e.Finished != nil {
		text := string(e.Verdict)
		if e.Reason != "" {
			text += ": " + e.Reason
		}
		for _, r := range e.Releases {
			text += fmt.Sprintf("; %s: %s %s", r.Name, r.Action, r.Outcome)
		}
		out = append(out, happening{At: *e.Finished, Kind: "verdict", Commit: e.Commit.Commit, Text: text})
	}
	return out
}

// tellEvents adds what the agent told of the environment, as long as the cluster keeps it:
// drift as it was seen.
func (f *historyFlags) tellEvents(ctx context.Context, out *timeline) {
	if f.server.url != "" {
		out.Notes = append(out.Notes, "drift that was not put back is told by events of the cluster, which are not asked for with --server")
		return
	}
	c, err := f.cluster(out.Environment)
	if err != nil {
		return // the ledger could be read: it says all that is needed
	}
	defer c.Close()
	events, err := c.Events(ctx, "ConfigMap", f.namespace, ledger.Name(out.Environment), out.From)
	if err != nil {
		out.Notes = append(out.Notes, "drift that was not put back is not told: "+err.Error())
		return
	}
	for _, e := range events {
		if aboutState(e.Reason) {
			out.Happenings = append(out.Happenings, happening{At: e.At, Kind: "event", Text: e.Reason + ": " + e.Text})
		}
	}
	out.Notes = append(out.Notes, "drift that was not put back is told by events, which a cluster keeps for an hour unless it is told otherwise")
}

// aboutState reports whether an event says what the ledger has no line for.
func aboutState(reason string) bool {
	return slices.Contains([]string{"Drift", "Fight"}, reason)
}

func tableOfTimeline(w io.Writer, out *timeline) error {
	fmt.Fprintf(w, "environment %s, from %s to %s\n", out.Environment, stamp(out.From), stamp(out.To))
	if out.Ran != nil {
		fmt.Fprintf(w, "live before %.7s %s\n", out.Ran.Commit, oneLine(out.Ran.Subject))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AT\tWHAT\tCOMMIT\tBY\tTEXT")
	for _, h := range out.Happenings {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", stamp(h.At), h.Kind, shortCommit(h.Commit), nameOf(h.By), shortLine(h.Text))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(out.Happenings) == 0 {
		fmt.Fprintln(w, "nothing is known to have happened")
	}
	for _, note := range out.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	return nil
}

// checkAround refuses what does not go together.
func (f *historyFlags) checkAround(args []string) error {
	if f.since != "" || f.limit != 0 || f.export || len(args) == 2 {
		return usageError{errors.New("--at shows what went on around a moment: leave --since, --limit, --export and the release out")}
	}
	return nil
}
