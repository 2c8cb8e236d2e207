package page

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/reads"
	"github.com/xetys/tether/agent/status"
)

// overview is the page at /.
type overview struct {
	frame
	Environments []environment
	// More is how many environments are left out of the timeline.
	Timeline timeline
}

func (overview) name() string { return "overview.html" }

// environment is what is said of one, in short.
type environment struct {
	Name, Link string
	From       string // the repository and branch
	Verdict    mark
	Why        string
	// Trouble is what keeps this from being true now: nobody leads, or git is away.
	Trouble []string
	Head    *commitLine
	// Applied is nil if nothing was.
	Applied *commitLine
	Same    bool // the head is what is applied
	Facts   []fact
}

// commitLine is a commit in a line.
type commitLine struct {
	Short, Link, Subject, Author string
	At                           stamp
}

// fact is one thing about an environment. Each environment has the same, in the same order.
type fact struct {
	Label string
	Kind  string // the colour; none if all is well
	Text  string
	At    stamp
	Note  string
}

// The overview's bounds.
const (
	timelineCommits      = 12
	timelineEnvironments = 8
)

func (p *Pages) overview(r *http.Request) (document, error) {
	visible, err := p.visible(r)
	if err != nil {
		return nil, err
	}
	all, err := p.Reader.Summaries(r.Context())
	if err != nil {
		return nil, err
	}
	if p.admit(r, "") != nil {
		all = slices.DeleteFunc(all, func(s status.Summary) bool { return !slices.Contains(visible, s.Environment) })
	}
	doc := overview{frame: p.frame(r, "Tether")}
	doc.Live = "/live"
	clock := newClock(p.Now())
	for _, s := range all {
		e := clock.environment(s.Overview, counts{s.Releases, s.Unhealthy, s.Drifted})
		if !slices.Contains(visible, s.Environment) { // another agent keeps it, or it is not to be read
			e.Link = ""
		}
		doc.Environments = append(doc.Environments, e)
		doc.Said += fmt.Sprintf("%s: %s. ", e.Name, e.Verdict.Word)
	}
	doc.Timeline, err = p.timeline(r.Context(), visible)
	return doc, err
}

// counts are how many releases there are, are not healthy, and how many objects have drifted.
type counts struct{ releases, unhealthy, drifted int }

func environmentLink(name string) string { return "/environments/" + url.PathEscape(name) }

func (c clock) environment(o status.Overview, n counts) environment {
	e := environment{Name: o.Environment, Link: environmentLink(o.Environment), Verdict: verdictMark(o.Verdict), Why: o.Reason, From: o.Repository}
	if o.Branch != "" {
		e.From += " " + o.Branch
	}
	e.From = strings.TrimSpace(e.From)
	if text := o.Agent.Trouble(o.Environment); text != "" {
		e.Trouble = append(e.Trouble, text)
	}
	if o.Away != nil {
		e.Trouble = append(e.Trouble, "nothing new is heard of git since "+c.stamp(o.Away.Since).Text+": "+o.Away.Reason)
	}
	if o.Head != nil {
		e.Head = c.commit(o.Environment, *o.Head)
	}
	if o.Applied != nil {
		e.Applied = c.commit(o.Environment, *o.Applied)
		e.Same = o.Head != nil && o.Head.Commit == o.Applied.Commit
	}
	e.Facts = []fact{c.behind(o), releasesFact(n), driftFact(n), c.paused(o), c.window(o)}
	return e
}

func (c clock) commit(environment string, l ledger.Commit) *commitLine {
	return &commitLine{Short: short(l.Commit), Link: environmentLink(environment) + "/commits/" + url.PathEscape(l.Commit), Subject: l.Subject, Author: l.Author, At: c.stamp(l.Time)}
}

func (c clock) behind(o status.Overview) fact {
	f := fact{Label: "Behind git", Text: "no"}
	if !o.BehindSince.IsZero() {
		f.Kind, f.At = "wait", c.stamp(o.BehindSince)
		f.Text, f.Note = "for "+f.At.Ago, "since "+f.At.Text
	}
	return f
}

func releasesFact(n counts) fact {
	f := fact{Label: "Releases", Text: fmt.Sprint(n.releases), Note: "all healthy"}
	switch {
	case n.releases == 0:
		f.Note = ""
	case n.unhealthy > 0:
		f.Kind, f.Text, f.Note = "bad", fmt.Sprintf("%d unhealthy", n.unhealthy), fmt.Sprintf("of %d", n.releases)
	}
	return f
}

func driftFact(n counts) fact {
	f := fact{Label: "Drift", Text: "none"}
	if n.drifted > 0 {
		f.Kind, f.Text = "wait", count(n.drifted, "object")
	}
	return f
}

func (c clock) paused(o status.Overview) fact {
	f := fact{Label: "Paused", Text: "no"}
	if o.Paused != nil {
		f.Kind, f.At = "wait", c.stamp(o.Paused.Until)
		f.Text, f.Note = "until "+f.At.Text, pausedBy(o.Paused)
	}
	return f
}

func pausedBy(p *status.Paused) string {
	if p.Reason == "" {
		return "by " + p.By
	}
	return fmt.Sprintf("by %s: %s", p.By, p.Reason)
}

func (c clock) window(o status.Overview) fact {
	f := fact{Label: "Deploy window", Text: "always open"}
	switch w := o.Windows; {
	case w == nil:
	case w.Open && w.Changes.IsZero():
		f.Text = "open"
	case w.Open:
		f.Text, f.At = "open", c.stamp(w.Changes)
		f.Note = "closes " + f.At.Text
	case w.Changes.IsZero():
		f.Kind, f.Text, f.Note = "wait", "closed", "it never opens"
	default:
		f.Kind, f.Text, f.At = "wait", "closed", c.stamp(w.Changes)
		f.Note = "opens " + f.At.Text
	}
	return f
}

// timeline is what became of the last commits, in each environment.
type timeline struct {
	Environments []link
	Commits      []timelineCommit
	// More is how many environments are left out.
	More int
}

type timelineCommit struct {
	Short, Subject, Author string
	At                     stamp
	Cells                  []timelineCell // one for each environment

	arrived time.Time
}

// timelineCell is what became of a commit in an environment; without a mark, nothing did.
type timelineCell struct {
	Mark mark
	Link string
	Took string
}

func (p *Pages) timeline(ctx context.Context, environments []string) (timeline, error) {
	shown := environments[:min(len(environments), timelineEnvironments)]
	stories := make([][]reads.HistoryItem, len(shown))
	t := timeline{More: len(environments) - len(shown)}
	for i, name := range shown {
		t.Environments = append(t.Environments, link{name, environmentLink(name)})
		story, err := p.Reader.HistoryItems(ctx, name, time.Time{})
		if err != nil && !isMissing(err) {
			return t, err
		}
		stories[i] = story
	}
	newClock(p.Now()).fill(&t, stories)
	return t, nil
}

// fill puts commits together that arrived in several environments.
func (c clock) fill(t *timeline, stories [][]reads.HistoryItem) {
	rows := map[string]*timelineCommit{}
	for i, story := range stories {
		for _, m := range story {
			if m.Entry == nil {
				continue
			}
			e, sha := m.Entry, m.Entry.Commit.Commit
			row := rows[sha]
			if row == nil {
				row = &timelineCommit{Short: short(sha), Subject: e.Subject, Author: e.Author, At: c.stamp(e.Time), Cells: make([]timelineCell, len(stories))}
				rows[sha] = row
			}
			if cell := &row.Cells[i]; cell.Link == "" { // the newest entry counts
				cell.Mark, cell.Took = verdictMark(e.Verdict), took(e, c.now)
				cell.Link = t.Environments[i].To + "/commits/" + url.PathEscape(sha)
				if e.Started.After(row.arrived) {
					row.arrived = e.Started
				}
			}
		}
	}
	for _, row := range rows {
		t.Commits = append(t.Commits, *row)
	}
	slices.SortFunc(t.Commits, func(a, b timelineCommit) int {
		return cmp.Or(b.arrived.Compare(a.arrived), cmp.Compare(a.Short, b.Short))
	})
	t.Commits = t.Commits[:min(len(t.Commits), timelineCommits)]
}

// took is how long a commit took, or has taken so far.
func took(e *ledger.Entry, now time.Time) string {
	switch {
	case e.Verdict == ledger.Superseded:
		return ""
	case e.Finished != nil:
		return span(e.Finished.Sub(e.Started))
	}
	return "for " + span(now.Sub(e.Started))
}
