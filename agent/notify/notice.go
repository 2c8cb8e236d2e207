// Package notify sends notifications from the ledger: one message for each commit and
// environment, and one for each condition that lasts (drift, fights, releases that are
// unhealthy or behind git), which is kept up to date.
//
// It does not know how verdicts are reached, nor the cluster: it reads a ledger as it was
// stored, and keeps what it sent in a text that the caller stores. It is level-triggered: it
// compares what a sink was told last with what it is to be told now, so that a crash, another
// leader, or a sink that was away for an hour loses nothing. A message is sent before that is
// noted: after a crash between the two it is sent again, and sinks with a key of their own
// (PagerDuty, commit statuses, webhooks by their ID) recognise it.
package notify

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
)

// Kind is what a notice is about.
type Kind string

// The kinds. All but the first two go on for a while, and are told when they end.
const (
	Deploy    Kind = "deploy"    // a commit's verdict
	Repair    Kind = "repair"    // drift that was put back
	Drift     Kind = "drift"     // drift that stays
	Fight     Kind = "fight"     // drift that comes again each time it is put back
	Unhealthy Kind = "unhealthy" // releases that are unhealthy after their rollout
	Behind    Kind = "behind"    // releases that are not what git asks for, for long
)

var kinds = []Kind{Deploy, Repair, Drift, Fight, Unhealthy, Behind}

// Over is the state of what went on and has ended; Open while it goes on.
const (
	Open = "open"
	Over = "over"
)

// Notice is one thing that people are told, as it is now.
type Notice struct {
	// ID tells it from all others, and stays while it is about the same.
	ID          string         `json:"id"`
	Kind        Kind           `json:"kind"`
	Environment string         `json:"environment"`
	Repository  string         `json:"repository"`
	Branch      string         `json:"branch,omitempty"` // of a commit
	State       string         `json:"state"`            // a verdict, open, or over
	Title       string         `json:"title"`            // one line
	Lines       []string       `json:"lines,omitempty"`
	Commit      *ledger.Commit `json:"commit,omitempty"`
	Since       time.Time      `json:"since,omitzero"`
	// Origin tells the agent from those of other clusters, for sinks that identified says so of.
	Origin string `json:"-"`
}

// Bad reports whether somebody should look at it now.
func (n Notice) Bad() bool {
	switch ledger.Verdict(n.State) {
	case ledger.Failed, ledger.RolledBack, ledger.Refused:
		return true
	}
	return n.State == Open
}

// Ended reports whether it will not change by itself any more.
func (n Notice) Ended() bool {
	return n.State == Over || n.Kind == Repair || n.Kind == Deploy && ledger.Verdict(n.State).Final()
}

// Text is the notice as several lines.
func (n Notice) Text() string { return strings.Join(append([]string{n.Title}, n.Lines...), "\n") }

// Bounds of what is told: the newest commits, a few releases by name, and times that are
// long enough to be news.
const (
	maxCommits   = 20
	maxRepairs   = 20
	maxNamed     = 5
	fightTimes   = 4
	fightLasts   = 10 * time.Minute
	repairWindow = 24 * time.Hour
)

// Notices returns what a ledger says now of the releases that a rule is about, oldest first.
// A release that is behind git for less than behindFor gives none.
func Notices(l *ledger.Ledger, about func(release string) bool, behindFor time.Duration, now time.Time) []Notice {
	var out []Notice
	for _, e := range l.Entries[max(0, len(l.Entries)-maxCommits):] {
		if n := deploy(l, e); concerns(e, about) {
			out = append(out, n)
		}
	}
	out = append(out, repairs(l, about, now)...)
	for _, c := range []struct {
		kind  Kind
		since func(ledger.Release) (since time.Time, why string)
		are   string
	}{
		{Drift, func(r ledger.Release) (time.Time, string) { return drifted(r, now) }, "drifted"},
		{Unhealthy, unhealthy, "unhealthy"},
		{Behind, func(r ledger.Release) (time.Time, string) { return behind(r, behindFor, now) }, "behind git"},
	} {
		out = append(out, standing(l, about, c.kind, c.are, c.since)...)
	}
	return append(out, fights(l, about, now)...)
}

// concerns reports whether a commit did something to a release that a rule is about, or is
// about all of them.
func concerns(e ledger.Entry, about func(string) bool) bool {
	return len(e.Releases) == 0 || slices.ContainsFunc(e.Releases, func(o ledger.Outcome) bool { return about(o.Name) })
}

// deploy is what became of a commit.
func deploy(l *ledger.Ledger, e ledger.Entry) Notice {
	c := e.Commit
	n := Notice{ID: fmt.Sprintf("%s/%.12s/%d", l.Environment, c.Commit, e.Started.Unix()), Kind: Deploy, Environment: l.Environment, Repository: l.Repository, Branch: l.Branch,
		State: string(e.Verdict), Commit: &c, Since: e.Started.UTC()}
	n.Title = fmt.Sprintf("%s: %s %.7s %s", l.Environment, e.Verdict, c.Commit, c.Subject)
	if c.Author != "" {
		n.Title += " (" + c.Author + ")"
	}
	if e.Verdict.Final() || e.Verdict == ledger.Held {
		n.Lines = deployLines(e)
	}
	return n
}

func deployLines(e ledger.Entry) []string {
	var lines []string
	if e.Reason != "" {
		lines = append(lines, e.Reason)
	}
	for i, o := range e.Releases {
		if i == maxNamed {
			return append(lines, fmt.Sprintf("and %d more releases", len(e.Releases)-i))
		}
		line := fmt.Sprintf("%s: %s %s", o.Name, o.Action, o.Outcome)
		if o.Revision > 0 {
			line += fmt.Sprintf(", revision %d", o.Revision)
		}
		lines = append(lines, line)
	}
	return lines
}

// repairs are corrections of drift, those of a minute as one.
func repairs(l *ledger.Ledger, about func(string) bool, now time.Time) []Notice {
	var order []time.Time
	minutes := map[time.Time][]ledger.Act{}
	for _, a := range l.Acts {
		if a.Kind != ledger.Repaired || !about(a.Release) || now.Sub(a.At) > repairWindow {
			continue
		}
		minute := a.At.UTC().Truncate(time.Minute)
		if minutes[minute] == nil {
			order = append(order, minute)
		}
		minutes[minute] = append(minutes[minute], a)
	}
	var out []Notice
	for _, minute := range order[max(0, len(order)-maxRepairs):] {
		n := Notice{ID: fmt.Sprintf("%s/repair/%d", l.Environment, minute.Unix()), Kind: Repair, Environment: l.Environment, Repository: l.Repository, State: Over, Since: minute}
		var names []string
		for _, a := range minutes[minute] {
			names = append(names, a.Release)
			if len(n.Lines) < maxNamed {
				n.Lines = append(n.Lines, a.Release+": "+a.Reason)
			}
		}
		n.Title = fmt.Sprintf("%s: drift of %s was put back", l.Environment, named(names))
		out = append(out, n)
	}
	return out
}

func fights(l *ledger.Ledger, about func(string) bool, now time.Time) []Notice {
	n := Notice{Kind: Fight, State: Open, Environment: l.Environment, Repository: l.Repository}
	var names []string
	for _, a := range l.Acts {
		if a.Kind != ledger.Repaired || a.Times < fightTimes || !about(a.Release) || now.Sub(a.Last) > fightLasts {
			continue
		}
		if n.Since.IsZero() {
			n.Since = a.At.UTC()
		}
		names = append(names, a.Release)
		n.Lines = append(n.Lines, a.Release+": "+a.Reason)
	}
	if len(names) == 0 {
		return nil
	}
	n.ID = fmt.Sprintf("%s/fight/%d", l.Environment, n.Since.Unix())
	n.Lines = n.Lines[:min(len(n.Lines), maxNamed)]
	n.Title = fmt.Sprintf("%s: %s is changed again each time it is put back", l.Environment, named(names))
	return []Notice{n}
}

// standing is what goes on with releases, all of them as one notice: when a node goes, many
// turn at once.
func standing(l *ledger.Ledger, about func(string) bool, kind Kind, are string, since func(ledger.Release) (time.Time, string)) []Notice {
	n := Notice{Kind: kind, State: Open, Environment: l.Environment, Repository: l.Repository}
	var names []string
	for _, r := range l.Releases {
		at, why := since(r)
		if at.IsZero() || !about(r.Name) {
			continue
		}
		if n.Since.IsZero() || at.Before(n.Since) {
			n.Since = at.UTC()
		}
		names = append(names, r.Name)
		if len(n.Lines) < maxNamed {
			n.Lines = append(n.Lines, strings.TrimSuffix(r.Name+": "+why, ": "))
		}
	}
	if len(names) == 0 {
		return nil
	}
	n.ID = fmt.Sprintf("%s/%s/%d", l.Environment, kind, n.Since.Unix())
	n.Title = fmt.Sprintf("%s: %s: %s", l.Environment, are, named(names))
	return []Notice{n}
}

// drifted is since when a release has drift that stays: since now if nobody knows.
func drifted(r ledger.Release, now time.Time) (since time.Time, why string) {
	for _, d := range r.Drift {
		if d.Foreign {
			continue
		}
		if why == "" {
			why = fmt.Sprintf("%s %s, by %s", d.Object, d.Path, cmp.Or(d.Manager, "somebody"))
		}
		if at := cmp.Or(d.Since, now); since.IsZero() || at.Before(since) {
			since = at
		}
	}
	return since, why
}

func unhealthy(r ledger.Release) (since time.Time, why string) {
	if d := r.Decline; d != nil && d.Notified && d.Mended.IsZero() {
		return d.Since, r.Reason
	}
	return time.Time{}, ""
}

func behind(r ledger.Release, limit time.Duration, now time.Time) (since time.Time, why string) {
	if r.Behind.IsZero() || now.Sub(r.Behind) < limit {
		return time.Time{}, ""
	}
	return r.Behind, "since " + r.Behind.UTC().Format(time.RFC3339)
}

// named names a few releases.
func named(names []string) string {
	slices.Sort(names)
	names = slices.Compact(names)
	if n := len(names) - maxNamed; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), n)
	}
	return strings.Join(names, ", ")
}

// matches reports whether a name matches one of the patterns, or there are none.
func matches(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil
	})
}
