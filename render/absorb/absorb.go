// Package absorb finds where in a repository a manual change in the cluster belongs: the values
// key whose change renders it and nothing else, or else a patch.
//
// It does not know git or a cluster: it is given the fields that differ in live objects, and
// returns new contents of files, each proven by rendering.
package absorb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/images"
	"github.com/xetys/tether/render/manifest"
)

// Absorber absorbs edits. It is safe for concurrent use.
type Absorber struct {
	Files    fs.FS
	Renderer *render.Renderer
	Options  render.Options
}

// Edit is an object that somebody changed in the cluster.
type Edit struct {
	Release string
	ID      manifest.ID
	// Live is the object as it is; nil if it was deleted.
	Live *unstructured.Unstructured
	// Fields are those that differ from what is applied, or were added.
	Fields []drift.Field
}

// Field is one changed field, and where it went. It is a contract with other programs.
type Field struct {
	Release string `json:"release"`
	Object  string `json:"object"`
	Path    string `json:"path"`
	// Want and Have are JSON, shortened; *** is secret.
	Want    string    `json:"want"`
	Have    string    `json:"have"`
	Manager string    `json:"manager,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// File and Key are where it is set now: a values key, or patches.
	File string `json:"file,omitempty"`
	Key  string `json:"key,omitempty"`
	// Why says why it could not be absorbed; or why it is a patch.
	Why string `json:"why,omitempty"`
}

// Result is what became of edits.
type Result struct {
	Absorbed, Left []Field
	Changes        []*images.Change
}

// Absorb finds the changes of files that have an environment render what is live in the
// fields of some edits. What can't be absorbed is told in Left, and changes nothing.
func (a *Absorber) Absorb(ctx context.Context, environment string, edits []Edit) (*Result, error) {
	out := &Result{Absorbed: []Field{}, Left: []Field{}}
	repo := &images.Repository{Files: a.Files, Renderer: a.Renderer, Options: a.Options}
	var names []string
	for _, e := range edits {
		if !slices.Contains(names, e.Release) {
			names = append(names, e.Release)
		}
	}
	for _, name := range names {
		s, err := a.solver(ctx, repo, environment, name)
		if err != nil {
			return nil, err
		}
		for _, e := range edits {
			if e.Release == name {
				if err := s.absorb(e, out); err != nil {
					return nil, err
				}
			}
		}
		repo = s.repo
	}
	out.Changes = slices.DeleteFunc(images.Merge(out.Changes), func(c *images.Change) bool { return string(c.Before) == string(c.After) })
	return out, a.othersStay(ctx, environment, repo, names)
}

// othersStay proves that the releases that nobody edited are what they were.
func (a *Absorber) othersStay(ctx context.Context, environment string, repo *images.Repository, edited []string) error {
	before, err := render.LoadEnvironment(a.Files, environment)
	if err != nil {
		return err
	}
	after, err := render.LoadEnvironment(repo.Files, environment)
	if err != nil {
		return err
	}
	for i, spec := range before.Releases {
		if slices.Contains(edited, spec.Name) {
			continue
		}
		was, err := a.Renderer.Prepare(ctx, a.Files, before, spec)
		if err != nil {
			return err
		}
		is, err := a.Renderer.Prepare(ctx, repo.Files, after, after.Releases[i])
		if err != nil {
			return err
		}
		if was.Digest != is.Digest {
			return fmt.Errorf("release %s would change too: nothing is changed", spec.Name)
		}
	}
	return nil
}

// absorb absorbs one object's edit as far as it can.
func (s *solver) absorb(e Edit, out *Result) error {
	fields := map[string]Field{}
	var paths []string
	for _, f := range e.Fields {
		one := Field{Release: e.Release, Object: e.ID.String(), Path: f.Path, Want: f.Want, Have: f.Have, Manager: f.Manager, Since: f.Since.UTC()}
		if why := s.secret(e.ID, f, &one); why != "" {
			one.Why = why
			out.Left = append(out.Left, one)
			continue
		}
		fields[f.Path] = one
		paths = append(paths, f.Path)
	}
	leave := func(why string) {
		for _, p := range paths {
			one := fields[p]
			one.Why = why
			out.Left = append(out.Left, one)
		}
	}
	object := s.object(e.ID)
	switch {
	case e.Live == nil:
		out.Left = append(out.Left, Field{Release: e.Release, Object: e.ID.String(), Want: "(present)", Have: "(absent)", Why: "it was deleted by hand: take it out of git, or let it come back"})
		return nil
	case len(paths) == 0:
		return nil
	case object == nil:
		leave("git does not render the object now")
		return nil
	}
	target, err := drift.Adopt(object.Unstructured, e.Live, paths)
	if err != nil {
		leave(err.Error())
		return nil
	}
	found, err := s.solve(e.ID, target)
	if err != nil {
		return err
	}
	for _, p := range paths {
		one := fields[p]
		if one.File, one.Key, one.Why = found.of(p); one.Why == secretText {
			one.Want, one.Have = hidden, hidden
		}
		switch {
		case one.File == "" && one.Why == "": // git has it, and the agent does not yet
		case one.File == "":
			out.Left = append(out.Left, one)
		default:
			out.Absorbed = append(out.Absorbed, one)
		}
	}
	out.Changes = append(out.Changes, found.changes...)
	return nil
}

// secret says why a field must not get into git as it is, and hides it then.
func (s *solver) secret(id manifest.ID, f drift.Field, one *Field) string {
	why := ""
	switch {
	case id.Group == "" && id.Kind == "Secret" && (strings.HasPrefix(f.Path, "data") || strings.HasPrefix(f.Path, "stringData")):
		why = "it is a Secret's content: change it where it is encrypted, with sops"
	case f.Want == absent:
		if s.p.Mask(f.Have) != f.Have {
			why = "it holds what is secret: change it where it is encrypted, with sops"
		}
	default:
		want, have := f.Want, f.Have
		if s.p.MaskDrift(&want, &have); want != f.Want {
			why = "it holds what is or may be secret: change it where it is encrypted, with sops"
		}
	}
	if why != "" {
		one.Want, one.Have = hidden, hidden
	}
	return why
}

const (
	absent = "(absent)"
	hidden = "***"
)

// solver finds the changes of one release. What it has found so far is in repo, and p is
// prepared from there.
type solver struct {
	*Absorber
	ctx       context.Context
	name      string
	repo      *images.Repository
	env       *render.Environment
	p         render.Inspection
	now       *manifest.Release
	leaves    leaves
	names     names
	generated map[leaf]bool
	trials    int
}

func (a *Absorber) solver(ctx context.Context, repo *images.Repository, environment, release string) (*solver, error) {
	s := &solver{Absorber: a, ctx: ctx, name: release, generated: map[leaf]bool{}}
	if err := s.open(repo, environment, false); err != nil {
		return nil, err
	}
	again, err := s.render(s.p.Prepared, false)
	if err != nil {
		return nil, err
	}
	s.names = namesIn(s.now, again)
	s.leaves = s.names.leavesOf(s.now)
	for l, v := range s.names.leavesOf(again) {
		if s.leaves[l] != v {
			s.generated[l] = true
		}
	}
	return s, nil
}

// open prepares and renders the release from a repository; ruled holds it to the
// environment's rules, as validate does.
func (s *solver) open(repo *images.Repository, environment string, ruled bool) error {
	env, err := render.LoadEnvironment(repo.Files, environment)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(env.Releases, func(r config.ReleaseSpec) bool { return r.Name == s.name })
	if at < 0 {
		return fmt.Errorf("environment %s has no release %s", environment, s.name)
	}
	p, err := s.Renderer.Prepare(s.ctx, repo.Files, env, env.Releases[at])
	if err != nil {
		return err
	}
	now, err := s.render(p, ruled)
	if err != nil {
		return err
	}
	s.repo, s.env, s.p, s.now, s.leaves = repo, env, render.Inspection{Prepared: p}, now, s.names.leavesOf(now)
	return nil
}

func (s *solver) render(p *render.Prepared, ruled bool) (*manifest.Release, error) {
	opts := s.Options
	opts.Historic, opts.Preview = !ruled, true
	return s.Renderer.Render(s.ctx, p, opts)
}

func (s *solver) object(id manifest.ID) *manifest.Object {
	i := slices.IndexFunc(s.now.Objects, func(o manifest.Object) bool { return o.ID() == id })
	if i < 0 {
		return nil
	}
	return &s.now.Objects[i]
}

// errEncrypted says that a value is set where only sops may write.
var errEncrypted = errors.New("the value that decides it is encrypted: change it with sops")
