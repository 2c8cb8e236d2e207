package page

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xetys/tether/agent/status"
)

// environmentPage is the page of one environment.
type environmentPage struct {
	frame
	environment
	Graph    *graph // nil if nothing depends on anything
	Releases releases
	Drift    []driftRow
	// MoreDrift is how many drifted fields are left out.
	MoreDrift int
	History   history
	Delivery  delivery
	Notes     []string
}

func (environmentPage) name() string { return "environment.html" }

// releases are those of one page of the list.
type releases struct {
	Rows  []releaseRow
	Total int
	Query string // what was searched for
	Pages []pageLink
}

// pageLink leads to a page of a list; without an address, it is the one that is shown.
type pageLink struct{ Text, To string }

type releaseRow struct {
	Name, Chart, Version string
	To                   string // what it renders to
	State                mark
	Why                  string
	Images               []string
	Commit, Link         string
	DependsOn            []string
	Revision             int
}

type driftRow struct {
	Release, Object, Path, Want, Have, Who string
	To                                     string // the object's page
	When                                   stamp
	Note                                   string
}

// The bounds of an environment's page: it is to be small however many releases there are.
const (
	releasesAPage = 200
	maxDrift      = 100
	fewItems      = 20
	maxItems      = 300
	maxReason     = 300
)

func (p *Pages) environment(r *http.Request) (document, error) {
	name := r.PathValue("environment")
	if err := p.admit(r, name); err != nil {
		return nil, err
	}
	ctx := r.Context()
	st, read, err := p.Reader.LastKnown(ctx, name)
	if err != nil {
		return nil, err
	}
	story, err := p.Reader.HistoryItems(ctx, name, time.Time{})
	if err != nil {
		return nil, err
	}
	clock := newClock(p.Now())
	doc := environmentPage{frame: p.frame(r, name+" · Tether", link{name, ""}), environment: clock.environment(st.Overview, countsOf(st))}
	doc.Live, doc.Partial = environmentLink(name)+"/live", read.IsZero()
	doc.Said = fmt.Sprintf("%s: %s", name, doc.Verdict.Word)
	doc.Graph = graphOf(st.Releases)
	doc.Releases = releasesOf(st, r.URL.Query(), read.IsZero())
	doc.Drift, doc.MoreDrift = clock.drift(st)
	doc.History = clock.history(name, story, r.URL.Query().Get("history"))
	doc.Notes = notesOf(st)
	doc.Delivery, err = p.delivery(ctx, name)
	return doc, err
}

func notesOf(st *status.Status) []string {
	if st.RulesUnread != "" {
		return []string{st.RulesUnread}
	}
	return nil
}

func countsOf(st *status.Status) counts {
	n := counts{releases: len(st.Releases)}
	for _, r := range st.Releases {
		if !r.Healthy {
			n.unhealthy++
		}
		objects := map[string]bool{}
		for _, d := range r.Drift {
			if !d.Foreign {
				objects[d.Object] = true
			}
		}
		n.drifted += len(objects)
	}
	return n
}

// stateOf is a release's state: the worst that is to be said of it.
func stateOf(r status.ReleaseStatus, partial bool) mark {
	switch {
	case !r.Healthy && len(r.BlockedBy) > 0:
		return blocked
	case !r.Healthy && partial && r.Reason == "":
		return unread
	case !r.Healthy:
		return unhealthy
	case r.Paused != nil:
		return paused
	case !r.BehindSince.IsZero():
		return behind
	case slices.ContainsFunc(r.Drift, func(d status.Drift) bool { return !d.Foreign }):
		return drifted
	}
	return healthy
}

// urgency puts releases first that somebody may have to look at.
func urgency(m mark) int {
	return slices.Index([]string{"bad", "wait", "idle", "good"}, m.Kind)
}

// releasesOf picks one page of the releases: those first that are in trouble, as many as a
// page holds, and all by name of those that were searched for.
func releasesOf(st *status.Status, query url.Values, partial bool) releases {
	out := releases{Total: len(st.Releases), Query: query.Get("q")}
	var rows []releaseRow
	for _, r := range st.Releases {
		row := rowOf(st.Environment, r, partial)
		if matches(row, out.Query) {
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b releaseRow) int { return cmp.Compare(urgency(a.State), urgency(b.State)) })
	pages := (len(rows) + releasesAPage - 1) / releasesAPage
	at, _ := strconv.Atoi(query.Get("page")) // what is no number is the first
	at = max(1, min(at, pages))
	for n := 1; pages > 1 && n <= pages; n++ {
		l := pageLink{Text: strconv.Itoa(n)}
		if n != at {
			l.To = "?" + url.Values{"q": {out.Query}, "page": {l.Text}}.Encode() + "#releases"
		}
		out.Pages = append(out.Pages, l)
	}
	from := (at - 1) * releasesAPage
	out.Rows = rows[min(from, len(rows)):min(from+releasesAPage, len(rows))]
	return out
}

func matches(r releaseRow, query string) bool {
	query = strings.ToLower(strings.TrimSpace(query))
	if query == "" {
		return true
	}
	for _, text := range append([]string{r.Name, r.Chart, r.State.Word, r.Commit}, r.Images...) {
		if strings.Contains(strings.ToLower(text), query) {
			return true
		}
	}
	return false
}

func rowOf(environment string, r status.ReleaseStatus, partial bool) releaseRow {
	row := releaseRow{Name: r.Name, To: releaseLink(environment, r.Name), Chart: strings.TrimSpace(r.Chart + " " + r.ChartVersion), Version: r.AppVersion, State: stateOf(r, partial), Why: cut(r.Reason, maxReason),
		Images: r.Images, DependsOn: r.DependsOn, Revision: r.Revision}
	if r.Commit != "" {
		row.Commit, row.Link = short(r.Commit), environmentLink(environment)+"/commits/"+url.PathEscape(r.Commit)
	}
	switch {
	case r.Paused != nil:
		row.Why = strings.TrimPrefix(row.Why+"; paused until "+r.Paused.Until.Format(time.RFC3339)+" "+pausedBy(r.Paused), "; ")
	case len(r.BlockedBy) > 0 && row.Why == "":
		row.Why = "waits for " + strings.Join(r.BlockedBy, ", ")
	}
	return row
}

func (c clock) drift(st *status.Status) (rows []driftRow, more int) {
	for _, r := range st.Releases {
		for _, d := range r.Drift {
			if len(rows) >= maxDrift {
				more++
				continue
			}
			row := driftRow{Release: r.Name, Object: d.Object, To: objectLink(st.Environment, r.Name, d.Object), Path: d.Path, Want: cut(d.Want, maxReason), Have: cut(d.Have, maxReason), Who: d.Manager, When: c.stamp(d.Since)}
			switch {
			case d.Refused != "":
				row.Note = "it can't be put back: " + cut(d.Refused, maxReason)
			case d.Foreign:
				row.Note = "added beside what was applied, and left alone"
			}
			rows = append(rows, row)
		}
	}
	return rows, more
}
