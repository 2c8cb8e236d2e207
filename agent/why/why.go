// Package why finds what git and the ledger know of one object of an environment: the release
// that renders it, what sets its fields, the last change with its verdict, and how to undo that.
//
// It does not know where commits and the ledger come from, and asks no cluster: the caller
// adds what is live.
package why

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
)

// Page is all that is known of one object. It is a contract: other programs are built on it.
type Page struct {
	Environment string `json:"environment"`
	Object      string `json:"object"`
	// Owner says whose it is, if it is not rendered.
	Owner    string            `json:"owner,omitempty"`
	Release  string            `json:"release,omitempty"`
	Chart    string            `json:"chart,omitempty"`
	Template *render.Place     `json:"template,omitempty"`
	Values   []render.Place    `json:"values"`
	Last     *Commit           `json:"lastChange,omitempty"`
	Changed  []string          `json:"changed,omitempty"` // the fields that the last change set
	Health   *Health           `json:"health,omitempty"`
	Drift    []blame.LiveField `json:"drift"`
	NeededBy []string          `json:"neededBy"`
	Events   []kube.Event      `json:"events"`
	Undo     string            `json:"undo,omitempty"`
	Notes    []string          `json:"notes,omitempty"`
}

// Health is an object's health, as tether health tells it.
type Health struct {
	State  string `json:"state"`
	Rule   string `json:"rule"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// NewPage returns a page on an object of which nothing is known yet.
func NewPage(environment, object string) *Page {
	return &Page{Environment: environment, Object: object, Values: []render.Place{}, Drift: []blame.LiveField{}, NeededBy: []string{}, Events: []kube.Event{}}
}

// Rendered is an object that a release renders to, with the commits that its fields name.
type Rendered struct {
	blame.Object
	Commits []Commit
}

// Fill has a page tell what git says of an object that is rendered, and returns the object. l
// may be nil: the verdicts are not told then.
func (p *Page) Fill(ctx context.Context, b *blame.Blamer, head *blame.Commit, asked Asked, l *ledger.Ledger) (*Rendered, error) {
	if len(asked.Objects) > 1 {
		return nil, &UnknownError{fmt.Sprintf("%s is the name of several objects: say which, of %s", p.Object, strings.Join(asked.Objects, ", "))}
	}
	rel, err := b.Release(ctx, head, p.Environment, asked.Release, asked.Query)
	if err != nil {
		return nil, err
	}
	if len(rel.Objects) == 0 {
		return nil, &UnknownError{fmt.Sprintf("release %s renders no %s", asked.Release, p.Object)}
	}
	o := Rendered{rel.Objects[0], CommitsOf(rel, l)}
	p.Object, p.Release, p.Chart, p.Template = o.Object.Object, rel.Name, rel.Chart, &o.Template
	p.Notes = append(p.Notes, rel.Notes...)
	p.values(o.Object)
	p.lastChange(o)
	return &o, nil
}

// FillNeededBy has a filled page tell what depends on the object: all of the environment's
// releases are rendered for that.
func (p *Page) FillNeededBy(ctx context.Context, b *blame.Blamer, head *blame.Commit) error {
	needed, err := b.NeededBy(ctx, head, p.Environment, p.Release, p.Object)
	p.NeededBy = append(p.NeededBy, needed...)
	return err
}

// values are the places that decide any of the object's fields, each once.
func (p *Page) values(o blame.Object) {
	for _, f := range o.Fields {
		for _, at := range slices.Concat(f.Set, f.When) {
			if !slices.Contains(p.Values, at) {
				p.Values = append(p.Values, at)
			}
		}
	}
	slices.SortFunc(p.Values, func(a, b render.Place) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Key, b.Key))
	})
}

// lastChange is the newest commit of the object's fields, with how it is undone.
func (p *Page) lastChange(o Rendered) {
	for _, c := range o.Commits { // the newest first
		merge := ""
		var changed []string
		for _, f := range o.Fields {
			if f.Commit == c.Commit {
				changed = append(changed, f.Path)
				merge = f.Merge
			}
		}
		if len(changed) == 0 {
			continue
		}
		p.Last, p.Changed = &c, changed
		p.Undo = "git revert " + c.Commit
		if merge != "" {
			p.Undo = "git revert -m 1 " + merge
		}
		if len(changed) == len(o.Fields) {
			p.Undo += "  # it brought the object: that deletes it"
		}
		return
	}
}

// Asked is what is asked for of one release.
type Asked struct {
	Release string
	blame.Query
}

// UnknownError says that nothing has the name that was asked for, or that several have it.
type UnknownError struct{ text string }

// Error says what was asked for, and what there is.
func (e *UnknownError) Error() string { return e.text }

// Find returns the releases of an environment that have what is asked for: all of them for an
// empty object, one if only names it. An UnknownError says that there is none.
func Find(ctx context.Context, b *blame.Blamer, head *blame.Commit, environment, only, object, path string) ([]Asked, error) {
	env, err := render.LoadEnvironment(head.Files, environment)
	if err != nil {
		return nil, err
	}
	var out []Asked
	var releases, known []string
	for _, spec := range env.Releases {
		releases = append(releases, spec.Name)
		if only != "" && spec.Name != only {
			continue
		}
		one := Asked{Release: spec.Name, Query: blame.Query{Path: path}}
		if object != "" {
			objects, err := b.Objects(ctx, head, environment, spec.Name)
			if err != nil {
				return nil, err
			}
			known = append(known, objects...)
			if one.Objects, err = blame.MatchObjects(objects, object); errors.As(err, new(*blame.UnknownError)) {
				continue
			} else if err != nil {
				return nil, &UnknownError{err.Error()}
			}
		}
		out = append(out, one)
	}
	switch {
	case len(out) > 0:
		return out, nil
	case only != "" && len(known) == 0:
		return nil, &UnknownError{fmt.Sprintf("environment %s has no release %s; it has %s", environment, only, strings.Join(releases, ", "))}
	case object != "":
		return nil, &UnknownError{fmt.Sprintf("environment %s renders no %s at %.7s%s", environment, object, head.SHA, ledger.SuggestNames(object, known))}
	}
	return nil, nil
}
