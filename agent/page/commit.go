package page

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/reads"
)

// commitPage tells what became of a commit in an environment, and what it changed.
type commitPage struct {
	frame
	Environment, EnvironmentLink string
	SHA, Subject, Author         string
	Committed                    stamp
	// Tries are the commit's entries, newest first: it may be carried out again.
	Tries []try
	// Changed are the releases whose records differ.
	Changed []changed
	// Others lead to what is left out of Changed.
	Others []link
}

func (commitPage) name() string { return "commit.html" }

// try is one entry of a commit.
type try struct {
	Mark     mark
	Why      string
	Trigger  string
	Started  stamp
	Took     string
	Outcomes []tryOutcome
}

type tryOutcome struct {
	Release, Action, Why string
	Mark                 mark
	Revision             int
	Undoes               []string
	Log                  []string // how the log of the container that failed ends
}

// changed is how two records of a release differ.
type changed struct {
	Release  string
	From, To int
	Objects  []changedObject
	// Left is how many objects are left out.
	Left int
	// Note says why there is nothing to compare; empty if there is.
	Note string
}

type changedObject struct {
	Object, Action, Why string
	Fields              []reads.FieldDifference
	Left                int
}

// The bounds of a commit's page.
const (
	maxChanged = 10
	maxObjects = 50
	maxFields  = 60
	maxSide    = 2000
	compareFor = 5 * time.Second
)

func (p *Pages) commit(r *http.Request) (document, error) {
	environment, sha := r.PathValue("environment"), r.PathValue("commit")
	if err := p.admit(r, environment); err != nil {
		return nil, err
	}
	story, err := p.Reader.HistoryItems(r.Context(), environment, time.Time{})
	if err != nil {
		return nil, err
	}
	var entries []*ledger.Entry
	for _, m := range story {
		if m.Entry != nil && len(sha) >= 7 && strings.HasPrefix(m.Commit.Commit, sha) {
			entries = append(entries, m.Entry)
		}
	}
	if len(entries) == 0 {
		return nil, api.Missing(notKept{environment, sha})
	}
	clock, newest := newClock(p.Now()), entries[0]
	at := environmentLink(environment)
	doc := commitPage{frame: p.frame(r, short(newest.Commit.Commit)+" in "+environment+" · Tether", link{environment, at}, link{short(newest.Commit.Commit), ""}),
		Environment: environment, EnvironmentLink: at, SHA: newest.Commit.Commit, Subject: newest.Subject, Author: newest.Author, Committed: clock.stamp(newest.Time)}
	doc.Live, doc.Said = at+"/live", string(newest.Verdict)
	for _, e := range entries {
		doc.Tries = append(doc.Tries, clock.try(e))
	}
	doc.Changed, doc.Others = p.changed(r.Context(), environment, entries, r.URL.Query().Get("release"))
	return doc, nil
}

// notKept is of a commit that the ledger does not hold.
type notKept struct{ environment, commit string }

func (n notKept) Error() string {
	return short(n.commit) + " is not in the history of " + n.environment + ": the agent has not seen it yet, or it is older than what is kept"
}

func (c clock) try(e *ledger.Entry) try {
	t := try{Mark: verdictMark(e.Verdict), Why: e.Reason, Trigger: e.Trigger, Started: c.stamp(e.Started), Took: took(e, c.now)}
	for _, o := range e.Releases {
		one := tryOutcome{Release: o.Name, Action: o.Action, Why: ownReason(e, o), Mark: outcomeMark(o.Outcome), Revision: o.Revision, Log: o.Log}
		for _, sha := range o.Undoes {
			one.Undoes = append(one.Undoes, short(sha))
		}
		t.Outcomes = append(t.Outcomes, one)
	}
	return t
}

// changed compares the records that a commit left with those before them: of one release if
// it is named, else of the first few.
func (p *Pages) changed(ctx context.Context, environment string, entries []*ledger.Entry, only string) (out []changed, others []link) {
	ctx, cancel := context.WithTimeout(ctx, compareFor)
	defer cancel()
	seen := map[string]bool{}
	for _, e := range entries {
		for _, o := range e.Releases {
			if o.Revision == 0 || o.Action == "none" || o.Action == ledger.Repair || seen[o.Name] {
				continue
			}
			seen[o.Name] = true
			if only != "" && o.Name != only || len(out) >= maxChanged {
				others = append(others, link{o.Name, "?" + url.Values{"release": {o.Name}}.Encode() + "#changed"})
				continue
			}
			out = append(out, p.compared(ctx, environment, o))
		}
	}
	return out, others
}

func (p *Pages) compared(ctx context.Context, environment string, o ledger.Outcome) changed {
	c := changed{Release: o.Name, From: o.Revision - 1, To: o.Revision}
	if c.From == 0 {
		c.Note = "it is the first record of the release: there is none to compare it with"
		return c
	}
	d, err := p.Reader.Compare(ctx, environment, o.Name, c.From, c.To)
	switch {
	case isMissing(err):
		c.Note = "one of the two records is not kept any more"
	case err != nil:
		p.Log.Warn("two records can't be compared", "environment", environment, "release", o.Name, "error", err)
		c.Note = "they can't be compared now: the agent's log says why"
	default:
		c.Objects, c.Left = objectsOf(d)
		if len(c.Objects) == 0 {
			c.Note = "nothing differs"
		}
	}
	return c
}

func objectsOf(d *reads.Difference) (out []changedObject, left int) {
	for _, o := range d.Objects[:min(len(d.Objects), maxObjects)] {
		one := changedObject{Object: o.Object, Action: o.Action, Why: o.Why, Left: max(0, len(o.Fields)-maxFields)}
		one.Fields = slices.Clone(o.Fields[:min(len(o.Fields), maxFields)])
		for i := range one.Fields {
			f := &one.Fields[i]
			f.From, f.To = cut(f.From, maxSide), cut(f.To, maxSide)
		}
		out = append(out, one)
	}
	return out, len(d.Objects) - len(out)
}
