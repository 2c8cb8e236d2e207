package reads

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/xetys/tether/agent/api"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/why"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
)

// Git tells what git says of the objects of environments, beside what is live of them. Its fields
// are set before the first question.
type Git struct {
	// Teller is nil where the source has no history.
	Teller *why.Teller
	// Veil returns what hides an environment's secrets in texts; nil if this process does not
	// know them.
	Veil func(environment string) func(string) string

	reads *Reads // which it is of
}

// errNoHistory says that objects are not told of.
var errNoHistory = errors.New("the agent's source has no history of commits: who set a field can't be told")

// Objects returns what a release renders to: the names of its objects, and the commit at which
// that is so.
func (g *Git) Objects(ctx context.Context, environment, release string) (objects []string, commit string, err error) {
	l, c, err := g.ledgerWith(ctx, environment, release)
	if err != nil {
		return nil, "", err
	}
	caps, err := capabilities(c)
	if err != nil {
		return nil, "", err
	}
	objects, commit, err = g.Teller.Objects(ctx, l, caps, release)
	return objects, commit, unknown(err)
}

// Why returns all that is known of an object of a release, as Objects names it, and its fields
// with who set them.
func (g *Git) Why(ctx context.Context, environment, release, object string) (*why.Page, *why.Rendered, error) {
	l, c, err := g.ledgerWith(ctx, environment, release)
	if err != nil {
		return nil, nil, err
	}
	caps, err := capabilities(c)
	if err != nil {
		return nil, nil, err
	}
	page, o, err := g.Teller.Page(ctx, l, caps, release, object)
	if err != nil {
		return nil, nil, unknown(err)
	}
	page.Drift = append(page.Drift, driftOf(l, release, page.Object)...)
	g.live(ctx, c, page)
	return page, o, nil
}

// ledgerWith returns the ledger of an environment that has a release.
func (g *Git) ledgerWith(ctx context.Context, environment, release string) (*ledger.Ledger, *apply.Cluster, error) {
	if g.Teller == nil {
		return nil, nil, api.Missing(errNoHistory)
	}
	l, c, err := g.reads.ledger(ctx, environment)
	if err != nil {
		return nil, nil, err
	}
	if err := l.Known(release); err != nil {
		return nil, nil, api.Missing(err)
	}
	return l, c, nil
}

func capabilities(c *apply.Cluster) (*render.Capabilities, error) {
	caps, err := c.Capabilities()
	return &render.Capabilities{KubeVersion: caps.KubeVersion, APIVersions: caps.APIVersions}, err
}

// unknown tells what has no such name from other trouble.
func unknown(err error) error {
	if errors.As(err, new(*why.UnknownError)) {
		return api.Missing(err)
	}
	return err
}

// driftOf is an object's drift as the ledger has it, where secrets are masked.
func driftOf(l *ledger.Ledger, release, object string) []blame.LiveField {
	var out []blame.LiveField
	for _, rel := range l.Releases {
		for _, d := range rel.Drift {
			if rel.Name != release || d.Object != object {
				continue
			}
			f := blame.LiveField{Object: d.Object, Path: d.Path, Want: d.Want, Have: d.Have, How: blame.Drifted, Manager: d.Manager, Since: d.Since}
			if d.Foreign {
				f.How = blame.Added
			}
			out = append(out, f)
		}
	}
	return out
}

// live fills in the object's health and its events of the last hour, or why they are not told.
func (g *Git) live(ctx context.Context, c *apply.Cluster, page *why.Page) {
	hide := g.veilOf(page.Environment)
	if hide == nil {
		page.Notes = append(page.Notes, "health and events are not told: this replica of the agent does not lead the environment, and does not know its secrets")
		return
	}
	note := func(what string, err error) {
		page.Notes = append(page.Notes, what+": "+strings.Join(strings.Fields(hide(err.Error())), " "))
	}
	found, err := c.Judge.Find(ctx, page.Object)
	if err != nil {
		note("health and events are not told", err)
		return
	}
	h := c.Judge.Object(found)
	page.Health = &why.Health{State: string(h.State), Rule: h.Rule, Field: h.Field, Reason: hide(h.Reason)}
	events, err := c.Events(ctx, found.GetKind(), found.GetNamespace(), found.GetName(), g.reads.now().Add(-time.Hour))
	if err != nil {
		note("events are not told", err)
	}
	for _, e := range events {
		e.Text = hide(e.Text)
		page.Events = append(page.Events, e)
	}
}

func (g *Git) veilOf(environment string) func(string) string {
	if g.Veil == nil {
		return nil
	}
	return g.Veil(environment)
}
