package page

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/render/blame"
)

// releasePage lists what a release renders to.
type releasePage struct {
	frame
	Environment, EnvironmentLink, Release string
	Commit, CommitLink                    string
	Objects                               []link
	// Left is how many objects are left out.
	Left int
}

func (releasePage) name() string { return "release.html" }

// objectPage is all that is known of one object: its manifest with who set each line, what is live
// of it, and how the last change is undone.
type objectPage struct {
	frame
	Environment, EnvironmentLink string
	Release, ReleaseLink         string
	Object                       string
	origin
	live
	Lines     []blamedLine
	MoreLines int
	Notes     []string
}

// origin is where an object comes from.
type origin struct {
	Chart, Template string
	Last            *lastChange
	Undo            string
	Values          []string
	NeededBy        []string
}

// live is what the cluster has of an object.
type live struct {
	State     *mark // nil if it is not known
	Why, Rule string
	Drift     []driftRow
	Events    []eventRow
}

func (objectPage) name() string { return "object.html" }

// lastChange is the newest commit that set a field of the object.
type lastChange struct {
	commitLine
	Mark   mark
	Live   stamp
	Fields string // that it set
}

type eventRow struct {
	At                 stamp
	Kind, Reason, Text string
}

// blamedLine is a line of a manifest, and who set what it shows.
type blamedLine struct {
	Text                string
	Commit, Link, Title string
	Who                 string
	When                stamp
	Where               string
}

// The bounds of an object's page, and of a release's.
const (
	maxReleaseObjects = 500
	maxLines          = 2000
	maxEvents         = 20
	maxWhere          = 160
)

// release lists the objects of a release.
func (p *Pages) release(r *http.Request) (document, error) {
	environment, name := r.PathValue("environment"), r.PathValue("release")
	if err := p.admit(r, environment); err != nil {
		return nil, err
	}
	if object := r.URL.Query().Get("object"); object != "" {
		return p.object(r, environment, name, object)
	}
	objects, commit, err := p.Reader.Objects(r.Context(), environment, name)
	if err != nil {
		return nil, err
	}
	at := environmentLink(environment)
	doc := releasePage{frame: p.frame(r, name+" in "+environment+" · Tether", link{environment, at}, link{name, ""}),
		Environment: environment, EnvironmentLink: at, Release: name, Commit: short(commit), CommitLink: commitLink(environment, commit)}
	slices.Sort(objects)
	for _, o := range objects[:min(len(objects), maxReleaseObjects)] {
		doc.Objects = append(doc.Objects, link{o, objectLink(environment, name, o)})
	}
	doc.Left = len(objects) - len(doc.Objects)
	return doc, nil
}

func (p *Pages) object(r *http.Request, environment, release, object string) (document, error) {
	page, o, err := p.Reader.Why(r.Context(), environment, release, object)
	if err != nil {
		return nil, err
	}
	clock, at, releaseAt := newClock(p.Now()), environmentLink(environment), releaseLink(environment, release)
	doc := objectPage{frame: p.frame(r, page.Object+" · Tether", link{environment, at}, link{release, releaseAt}, link{page.Object, ""}),
		Environment: environment, EnvironmentLink: at, Release: release, ReleaseLink: releaseAt, Object: page.Object,
		origin: clock.origin(page), live: clock.live(page), Notes: page.Notes}
	doc.Lines, doc.MoreLines, err = clock.blamed(environment, o)
	return doc, err
}

func (c clock) origin(page *why.Page) origin {
	out := origin{Chart: page.Chart, Last: c.lastChange(page), Undo: page.Undo, NeededBy: page.NeededBy}
	if page.Template != nil {
		out.Template = page.Template.String()
	}
	for _, v := range page.Values {
		out.Values = append(out.Values, v.String())
	}
	return out
}

func (c clock) live(page *why.Page) live {
	out := live{}
	if h := page.Health; h != nil {
		m := healthMark(h.State)
		out.State, out.Why, out.Rule = &m, cut(h.Reason, maxReason), strings.TrimSpace("rule "+h.Rule+" "+h.Field)
	}
	for _, d := range page.Drift {
		out.Drift = append(out.Drift, c.liveField(d))
	}
	for _, e := range page.Events[max(0, len(page.Events)-maxEvents):] {
		out.Events = append(out.Events, eventRow{At: c.stamp(e.At), Kind: e.Kind, Reason: e.Reason, Text: cut(e.Text, maxReason)})
	}
	return out
}

func (c clock) lastChange(page *why.Page) *lastChange {
	last := page.Last
	if last == nil {
		return nil
	}
	out := &lastChange{commitLine: commitLine{Short: short(last.Commit), Subject: last.Subject, Author: last.Author, At: c.stamp(last.Time), Link: commitLink(page.Environment, last.Commit)},
		Mark: verdictMark(last.Verdict), Fields: cut(strings.Join(page.Changed, ", "), maxReason)}
	if last.Live != nil {
		out.Live = c.stamp(*last.Live)
	}
	return out
}

func (c clock) liveField(d blame.LiveField) driftRow {
	row := driftRow{Object: d.Object, Path: d.Path, Want: cut(d.Want, maxReason), Have: cut(d.Have, maxReason), Who: d.Manager, When: c.stamp(d.Since)}
	if d.How == blame.Added {
		row.Note = "added beside what was applied, and left alone"
	}
	return row
}

// blamed are the lines of an object's manifest, each with who set it.
func (c clock) blamed(environment string, o *why.Rendered) (out []blamedLine, more int, err error) {
	lines, err := o.Lines()
	if err != nil {
		return nil, 0, fmt.Errorf("write %s as YAML: %w", o.Object.Object, err)
	}
	commits := map[string]why.Commit{}
	for _, one := range o.Commits {
		commits[one.Commit] = one
	}
	for _, l := range lines[:min(len(lines), maxLines)] {
		one := blamedLine{Text: cut(l.Text, maxSide)}
		if f := l.Field; f != nil {
			by := commits[f.Commit]
			one.Commit, one.Link, one.Where = short(f.Commit), commitLink(environment, f.Commit), cut(f.Where(), maxWhere)
			one.Title, one.Who, one.When = by.Subject, authorName(by.Author), c.stamp(by.Time)
			if f.Older {
				one.Title = strings.TrimSpace("or before: the history that is here ends there. " + one.Title)
			}
		}
		out = append(out, one)
	}
	return out, len(lines) - len(out), nil
}

// authorName is an author without the address.
func authorName(author string) string {
	name, _, _ := strings.Cut(author, " <")
	return name
}

func healthMark(state string) mark {
	switch state {
	case "healthy":
		return healthy
	case "progressing":
		return mark{"wait", "wait", state}
	case "unknown":
		return mark{"idle", "idle", state}
	}
	return mark{"bad", "bad", state}
}

func releaseLink(environment, release string) string {
	return environmentLink(environment) + "/releases/" + url.PathEscape(release)
}

func objectLink(environment, release, object string) string {
	return releaseLink(environment, release) + "?" + url.Values{"object": {object}}.Encode()
}

func commitLink(environment, sha string) string {
	if sha == "" {
		return ""
	}
	return environmentLink(environment) + "/commits/" + url.PathEscape(sha)
}
