// Package blame finds for each line that a release renders to which commit gave it its
// value, and where it is set: it renders commits, compares them, and changes one input
// at a time.
//
// It does not know git, clusters or ledgers: it is given commits as file trees, and does
// not know which of them were deployed. Of a secret it says where it is set, never its value.
package blame

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
)

// Commit is a commit with its files, which know git's hashes (as source.Revision's do).
type Commit struct {
	SHA     string
	Subject string
	Author  string
	Time    time.Time
	// Parents are those that are here, the first one first; Cut says that there are more.
	Parents []string
	Cut     bool
	Files   fs.FS
}

// History gives out commits by their full SHA-1. It is to be safe for concurrent use.
type History interface {
	Commit(sha string) (*Commit, error)
}

// Blamer blames releases. It is safe for concurrent use.
type Blamer struct {
	History  History
	Renderer *render.Renderer
	Options  render.Options
	// Cache keeps what commits render to; nil keeps nothing.
	Cache *Cache
}

// Release is a release with the origin of each of its lines. It is a contract: other
// programs are built on it.
type Release struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// Chart is its path in the repository, or its address with the version.
	Chart   string   `json:"chart"`
	Objects []Object `json:"objects"`
	// Commits are those that fields name, the last one of the history first.
	Commits []CommitInfo `json:"commits"`
	// Notes say what could not be told, and why.
	Notes []string `json:"notes,omitempty"`
}

// CommitInfo is what is said of a commit.
type CommitInfo struct {
	Commit  string    `json:"commit"`
	Subject string    `json:"subject"`
	Author  string    `json:"author"`
	Time    time.Time `json:"time"`
}

// Object is an object of a release, or a hook.
type Object struct {
	Object string `json:"object"`
	// Template is the file that it is rendered from.
	Template render.Place `json:"template"`
	Hook     bool         `json:"hook,omitempty"`
	Fields   []Field      `json:"fields"`
}

// Field is one value of an object.
type Field struct {
	// Path is written as everywhere: spec.template.spec.containers[name=web].image.
	Path string `json:"path"`
	// Steps are the same, one by one: keys and places in lists.
	Steps []any `json:"-"`
	// Value is JSON, or *** for what is secret.
	Value string `json:"value"`
	// Commit gave it the value; empty if that can't be told.
	Commit string `json:"commit,omitempty"`
	// Merge brought that commit to the branch; left out if it was made there.
	Merge string `json:"merge,omitempty"`
	// Older says that the history that is here ends with the commit: it may be older.
	Older bool `json:"older,omitempty"`
	// Set are the places that decide the value; several say so all. Without any the
	// template does.
	Set []render.Place `json:"set"`
	// Could are values that are empty, and would decide it if they were set.
	Could []render.Place `json:"could,omitempty"`
	// When are values on which it depends that the field is there at all.
	When []render.Place `json:"when,omitempty"`
	// Template is the line that writes it.
	Template *render.Place `json:"template,omitempty"`
	// Generated says that each render makes it anew: what runs is in the record.
	Generated bool `json:"generated,omitempty"`
}

// Where is the place that decides a field, on one line.
func (f Field) Where() string {
	switch {
	case f.Generated:
		return "(generated)"
	case len(f.Set) > 1:
		return fmt.Sprintf("several (%d), %s", len(f.Set), f.Set[0].String())
	case len(f.Set) == 1:
		return f.Set[0].String()
	case f.Template != nil:
		return f.Template.String()
	}
	return "the template"
}

// Query says what of a release is asked for; the zero value asks for all.
type Query struct {
	// Objects are named as they are told.
	Objects []string
	// Path leads to the fields, and what is below it is meant too.
	Path string
}

func (a Query) all() bool { return len(a.Objects) == 0 && a.Path == "" }

func (a Query) wants(object, path string) bool {
	return (len(a.Objects) == 0 || slices.Contains(a.Objects, object)) && UnderPath(path, a.Path)
}

// Release blames a release of an environment at a commit. What of the history can't be
// rendered is said in its notes; an error is returned when the commit itself can't be.
func (b *Blamer) Release(ctx context.Context, head *Commit, environment, release string, asked Query) (*Release, error) {
	key := func(a Query) string {
		return strings.Join(append([]string{head.SHA, environment, release, a.Path}, a.Objects...), "\n")
	}
	out := &Release{}
	if b.Cache.read("answer", key(Query{}), out) {
		return out.only(asked), nil
	}
	if out = (&Release{}); !asked.all() && b.Cache.read("answer", key(asked), out) {
		return out.only(asked), nil
	}
	out, err := b.release(ctx, head, environment, release, asked)
	if err == nil && out.complete() {
		b.Cache.write("answer", key(asked), out)
	}
	return out, err
}

func (b *Blamer) release(ctx context.Context, head *Commit, environment, release string, asked Query) (*Release, error) {
	env, p, err := b.prepared(ctx, head, environment, release)
	if err != nil {
		return nil, err
	}
	now, err := b.render(ctx, p.Prepared)
	if err != nil {
		return nil, err
	}
	again, err := b.render(ctx, p.Prepared) // aside: it is not taken from memory
	if err != nil {
		return nil, err
	}
	out := &Release{Name: release, Namespace: p.Spec().Namespace, Chart: chartOf(p), Objects: []Object{}, Commits: []CommitInfo{}}
	lines := out.lines(p, now, again, asked)
	w := &walk{Blamer: b, ctx: ctx, told: map[string]bool{}, states: map[string]*state{}, environments: map[string]*render.Environment{}}
	if err := w.run(head, where{environment, release}, lines, ""); err != nil {
		return nil, err
	}
	w.describeCommits(out)
	q := &prober{Blamer: b, ctx: ctx, env: env, p: p, release: now, lines: lines, narrow: len(lines) <= fewLines}
	if err := q.run(out); err != nil {
		return nil, err
	}
	out.Notes = append(out.Notes, p.Unread...)
	return out, nil
}

// fewLines are so few that most values decide none of them.
const fewLines = 8

// prepared reads a release at a commit.
func (b *Blamer) prepared(ctx context.Context, head *Commit, environment, release string) (*render.Environment, render.Inspection, error) {
	none := render.Inspection{}
	env, err := render.LoadEnvironment(head.Files, environment)
	if err != nil {
		return nil, none, err
	}
	at := slices.IndexFunc(env.Releases, func(s config.ReleaseSpec) bool { return s.Name == release })
	if at < 0 {
		return nil, none, fmt.Errorf("environment %s has no release %s at %.7s", environment, release, head.SHA)
	}
	p, err := b.Renderer.Prepare(ctx, head.Files, env, env.Releases[at])
	return env, render.Inspection{Prepared: p}, err
}

// Objects are the names of what a release renders to at a commit, hooks included, each
// once.
func (b *Blamer) Objects(ctx context.Context, head *Commit, environment, release string) ([]string, error) {
	key := strings.Join([]string{head.SHA, environment, release}, "\n")
	var out []string
	if b.Cache.read("objects", key, &out) {
		return out, nil
	}
	p, rel, err := b.rendered(ctx, head, environment, release)
	if err != nil {
		return nil, err
	}
	out = nil
	for _, o := range allOf(rel) {
		if name := o.ID().String(); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if !p.HasSecrets() {
		b.Cache.write("objects", key, out)
	}
	return out, nil
}

// Rendered is what a release renders to at a commit. It may hold secrets.
func (b *Blamer) Rendered(ctx context.Context, head *Commit, environment, release string) (*manifest.Release, error) {
	_, rel, err := b.rendered(ctx, head, environment, release)
	return rel, err
}

// rendered prepares a release of a commit, and renders it.
func (b *Blamer) rendered(ctx context.Context, head *Commit, environment, release string) (render.Inspection, *manifest.Release, error) {
	_, p, err := b.prepared(ctx, head, environment, release)
	if err != nil {
		return p, nil, err
	}
	rel, err := b.render(ctx, p.Prepared)
	return p, rel, err
}

// Paths are the fields of some objects of a release at a commit.
func (b *Blamer) Paths(ctx context.Context, head *Commit, environment, release string, objects []string) ([]string, error) {
	p, rel, err := b.rendered(ctx, head, environment, release)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, o := range allOf(rel) {
		if !slices.Contains(objects, o.ID().String()) {
			continue
		}
		for _, l := range drift.Leaves(o.Object.Object) {
			out = append(out, p.Mask(l.Path))
		}
	}
	return out, nil
}

// only leaves what is asked for.
func (r *Release) only(asked Query) *Release {
	used := map[string]bool{}
	var objects []Object
	for _, o := range r.Objects {
		o.Fields = slices.DeleteFunc(o.Fields, func(f Field) bool { return !asked.wants(o.Object, f.Path) })
		if len(o.Fields) > 0 {
			objects = append(objects, o)
		}
		for i := range o.Fields {
			f := &o.Fields[i]
			if used[f.Commit], used[f.Merge] = true, true; f.Set == nil {
				f.Set = []render.Place{}
			}
		}
	}
	r.Objects = slices.Concat([]Object{}, objects)
	r.Commits = slices.DeleteFunc(slices.Concat([]CommitInfo{}, r.Commits), func(t CommitInfo) bool { return !used[t.Commit] })
	return r
}

// complete reports whether an answer stays: what a clone does not have may come.
func (r *Release) complete() bool {
	return !slices.ContainsFunc(r.Objects, func(o Object) bool {
		return slices.ContainsFunc(o.Fields, func(f Field) bool { return f.Older })
	})
}

// render renders a release as it is looked at here: for itself, and held to no rule.
func (b *Blamer) render(ctx context.Context, p *render.Prepared) (*manifest.Release, error) {
	opts := b.Options
	opts.Historic, opts.Preview = true, true
	return b.Renderer.Render(ctx, p, opts)
}

func chartOf(p render.Inspection) string {
	file, of := p.ChartAt("")
	if of != "" {
		return of
	}
	return file
}

// line is one field, and what the walk knows of it.
type line struct {
	first  manifest.ID // as it is called at the commit that is blamed
	object manifest.ID // as it was called where the walk is
	hook   bool
	key    uint64
	value  uint64
	steps  []any
	field  *Field
}

// lines lists the fields that are asked for. What two renders disagree on is generated.
func (r *Release) lines(p render.Inspection, now, again *manifest.Release, asked Query) []*line {
	second := stateOf(again)
	var out []*line
	for _, o := range allOf(now) {
		id := o.ID()
		told := Object{Object: id.String(), Template: templateOf(p, o.Source), Hook: o.hook, Fields: []Field{}}
		var own []*line
		for _, l := range drift.Leaves(o.Object.Object) {
			if !asked.wants(told.Object, l.Path) {
				continue
			}
			one := &line{first: id, object: id, hook: o.hook, key: hashOf(l.Key), value: hashValue(l.Value), steps: l.Steps}
			value, there := second.value(id, o.hook, one.key)
			told.Fields = append(told.Fields, Field{Path: p.Mask(l.Path), Steps: l.Steps, Value: shown(p, id, l), Set: []render.Place{}, Generated: !there || value != one.value})
			own = append(own, one)
		}
		for i := range own {
			own[i].field = &told.Fields[i]
		}
		if len(own) > 0 {
			r.Objects = append(r.Objects, told)
			out = append(out, own...)
		}
	}
	return out
}

// shown is a value as JSON, unless it is or may be secret.
func shown(p render.Inspection, id manifest.ID, l drift.Leaf) string {
	if id.Group == "" && id.Kind == "Secret" && len(l.Steps) > 1 && (l.Steps[0] == "data" || l.Steps[0] == "stringData") {
		return hidden
	}
	raw, err := json.Marshal(l.Value)
	if err != nil {
		return hidden
	}
	return p.Shown(string(raw))
}

const hidden = "***"
