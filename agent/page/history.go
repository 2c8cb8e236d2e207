package page

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/reads"
)

// history is what became of an environment, newest first.
type history struct {
	Items []historyItem
	// More leads to the rest; empty if that is all.
	More string
	Left int
}

// historyItem is a commit, or what was done without one.
type historyItem struct {
	Mark     mark
	At       stamp
	Took     string
	Commit   *commitLine // nil for an act
	Who      string
	Text     string
	Why      string
	Outcomes []outcomeLine
	// Left is how many outcomes are left out.
	Left int
}

type outcomeLine struct {
	Release, Action string
	Mark            mark
	Why             string
	// Log is how the log of the container that failed ends, LogID the name of its place.
	Log   []string
	LogID string
}

// The bounds of outcomes: how many of a commit are shown, and how many logs of a page; the
// commits' own pages have the others.
const (
	fewOutcomes = 6
	maxLogs     = 6
)

func (c clock) history(environment string, story []reads.HistoryItem, all string) history {
	most := fewItems
	if all == "all" {
		most = maxItems
	}
	h := history{}
	if h.Left = max(0, len(story)-most); h.Left > 0 && all != "all" {
		h.More = "?history=all#history"
	}
	logs := maxLogs
	for _, m := range story[:min(len(story), most)] {
		if m.Act != nil {
			h.Items = append(h.Items, c.act(*m.Act))
			continue
		}
		one := historyItem{Mark: verdictMark(m.Verdict), At: c.stamp(m.Started), Took: took(m.Entry, c.now), Commit: c.commit(environment, m.Commit), Who: m.Author, Why: cut(m.Reason, maxReason)}
		if m.Trigger != "" {
			one.Text = "again: " + m.Trigger
		}
		one.Outcomes, one.Left = outcomeLines(m.Entry, fewOutcomes, &logs)
		h.Items = append(h.Items, one)
	}
	return h
}

// outcomeLines are the first outcomes of a commit, with as many logs as there is room for; it
// counts those down.
func outcomeLines(e *ledger.Entry, most int, logs *int) (out []outcomeLine, left int) {
	for _, o := range e.Releases {
		if o.Action == "none" && o.Reason == "" {
			continue
		}
		if len(out) >= most {
			left++
			continue
		}
		line := outcomeLine{Release: o.Name, Action: o.Action, Mark: outcomeMark(o.Outcome), Why: cut(ownReason(e, o), maxReason)}
		if len(o.Log) > 0 && *logs > 0 {
			line.Log, line.LogID = o.Log, fmt.Sprintf("log-%s-%d-%s", short(e.Commit.Commit), e.Started.Unix(), o.Name)
			*logs--
		}
		out = append(out, line)
	}
	return out, left
}

// ownReason is why a release came to its outcome, where the commit's reason does not say so.
func ownReason(e *ledger.Entry, o ledger.Outcome) string {
	if strings.HasSuffix(e.Reason, o.Reason) {
		return ""
	}
	return o.Reason
}

func (c clock) act(a ledger.Act) historyItem {
	m := historyItem{Mark: mark{"idle", "act", a.Kind}, At: c.stamp(cmp.Or(a.Last, a.At)), Who: a.By, Text: a.Release, Why: cut(a.Reason, maxReason)}
	if a.Commit != "" {
		m.Text = strings.TrimSpace(m.Text + " " + short(a.Commit))
	}
	if !a.Until.IsZero() {
		m.Text = strings.TrimSpace(m.Text + " until " + c.stamp(a.Until).Text)
	}
	if a.Times > 1 {
		m.Text = strings.TrimSpace(fmt.Sprintf("%s, %d times", m.Text, a.Times))
	}
	return m
}
