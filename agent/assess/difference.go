package assess

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
)

// Difference is what a revision would change in an environment. It is a contract:
// other programs are built on it.
type Difference struct {
	Environment string `json:"environment"`
	// From and To say what is compared.
	From string `json:"from"`
	To   string `json:"to"`
	// Base is the main branch, if From is where To left it.
	Base     string              `json:"base,omitempty"`
	Releases []ReleaseDifference `json:"releases"`
	// Refusals is what the commit would be refused for.
	Refusals []string `json:"refusals"`
	// Unread says which values were left out of the comparison.
	Unread []string `json:"unread,omitempty"`
}

// ReleaseDifference is what would be done about one release.
type ReleaseDifference struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	// Action is install, upgrade, rollback, uninstall, repair, hold or none.
	Action  string             `json:"action"`
	Reason  string             `json:"reason"`
	Images  []ImageDifference  `json:"images"`
	Risks   []plan.Risk        `json:"risks"`
	Objects []ObjectDifference `json:"objects"`
}

// ObjectDifference is what would be done about one object.
type ObjectDifference struct {
	Object string `json:"object"`
	// Action is create, update, recreate, delete, keep, deferred, refused or, for
	// one that only has foreign fields, unchanged.
	Action string            `json:"action"`
	Why    string            `json:"why,omitempty"`
	Fields []FieldDifference `json:"fields"`
}

// FieldDifference is one field that would change. Values are JSON, shortened, and
// masked in Secrets; "(absent)" is no value.
type FieldDifference struct {
	Path    string `json:"path"`
	From    string `json:"from"`
	To      string `json:"to"`
	Manager string `json:"manager,omitempty"`
	// Foreign says that a person's tool added the field, and that it stays.
	Foreign bool `json:"foreign,omitempty"`
}

// Any reports whether anything would change, or is refused. Foreign fields that
// stay are no difference.
func (d *Difference) Any() bool {
	return len(d.Refusals) > 0 || slices.ContainsFunc(d.Releases, func(r ReleaseDifference) bool {
		return r.Action != string(decide.None) || slices.ContainsFunc(r.Objects, func(o ObjectDifference) bool { return o.Action != string(plan.Unchanged) })
	})
}

func objectDifferences(rel plan.Owner, p plan.Plan) []ObjectDifference {
	out := []ObjectDifference{}
	for _, c := range p.Changes {
		o := ObjectDifference{Object: c.ID.String(), Action: string(c.Action), Why: c.Why, Fields: []FieldDifference{}}
		for _, f := range rel.Differences(c) {
			o.Fields = append(o.Fields, FieldDifference{Path: f.Path, From: f.Have, To: f.Want, Manager: f.Manager})
		}
		for _, f := range c.Foreign {
			if !rel.Strict {
				o.Fields = append(o.Fields, FieldDifference{Path: f.Path, From: f.Have, To: f.Have, Manager: f.Manager, Foreign: true})
			}
		}
		if c.Action != plan.Unchanged || len(o.Fields) > 0 {
			out = append(out, o)
		}
	}
	return out
}

// Between renders an environment from two trees of a repository and compares what
// comes out; it asks no cluster. A tree without the environment has no releases.
func Between(ctx context.Context, with render.Config, from, to fs.FS, environment string, opts render.Options) (*Difference, error) {
	if !config.Exists(from, environment) && !config.Exists(to, environment) {
		_, err := config.Load(to, environment)
		return nil, err
	}
	r := render.NewRenderer(with)
	after, err := prepareAll(ctx, r, to, environment)
	if err != nil {
		return nil, err
	}
	before, err := prepareAll(ctx, r, from, environment)
	if err != nil {
		return nil, formerly(err)
	}
	d := &Difference{Environment: environment, Releases: []ReleaseDifference{}, Refusals: []string{}}
	for _, key := range bothKeys(before, after) {
		one, err := compareRelease(ctx, r, key, before[key], after[key], opts)
		if err != nil {
			return nil, err
		}
		if one != nil {
			d.Releases = append(d.Releases, *one)
		}
		for _, p := range []*render.Prepared{before[key], after[key]} {
			if p != nil {
				d.Unread = append(d.Unread, p.Unread...)
			}
		}
	}
	slices.Sort(d.Unread)
	d.Unread = slices.Compact(d.Unread)
	d.moves()
	return d, nil
}

// formerly says of an error that it is about what is compared with.
func formerly(err error) error { return fmt.Errorf("what it is compared with: %w", err) }

func bothKeys(a, b map[observed.Key]*render.Prepared) []observed.Key {
	var keys []observed.Key
	for k := range a {
		keys = append(keys, k)
	}
	for k := range b {
		if a[k] == nil {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b observed.Key) int { return cmp.Compare(a.String(), b.String()) })
	return keys
}

func prepareAll(ctx context.Context, r *render.Renderer, files fs.FS, environment string) (map[observed.Key]*render.Prepared, error) {
	out := map[observed.Key]*render.Prepared{}
	if !config.Exists(files, environment) {
		return out, nil
	}
	env, err := render.LoadEnvironment(files, environment)
	if err != nil {
		return nil, err
	}
	for _, spec := range env.Releases {
		p, err := r.Prepare(ctx, files, env, spec)
		if err != nil {
			return nil, err
		}
		out[observed.Key{Namespace: spec.Namespace, Name: spec.Name}] = p
	}
	return out, nil
}

// compareRelease compares one release; nil if its inputs are the same.
func compareRelease(ctx context.Context, r *render.Renderer, key observed.Key, before, after *render.Prepared, opts render.Options) (*ReleaseDifference, error) {
	d := &ReleaseDifference{Name: key.Name, Namespace: key.Namespace}
	var from, to *manifest.Release
	var err error
	switch {
	case before != nil && after != nil && before.Digest == after.Digest:
		return nil, nil
	case before == nil:
		d.Action, d.Reason = string(decide.Install), "environment.yaml lists it now"
	case after == nil:
		d.Action, d.Reason = string(decide.Uninstall), "environment.yaml no longer lists it"
	default:
		d.Action, d.Reason = string(decide.Upgrade), "its inputs changed"
	}
	if before != nil {
		was := opts
		was.IsUpgrade, was.Historic = after != nil, true
		if from, err = r.Render(ctx, before, was); err != nil {
			return nil, formerly(err)
		}
	}
	if after != nil {
		opts.IsUpgrade = before != nil
		if to, err = r.Render(ctx, after, opts); err != nil {
			return nil, err
		}
	}
	p := plan.CompareReleases(from, to)
	d.Objects = objectDifferences(plan.Owner{}, p)
	d.effects(p, cmp.Or(to, from).Hooks)
	d.mask(before, after)
	if len(d.Objects) == 0 {
		d.Reason += ", its objects did not"
	}
	return d, nil
}

// mask hides the fields that hold a value which was encrypted, or comes from a
// Secret, whatever object they are in; what it was before is as secret.
func (d *ReleaseDifference) mask(before, after *render.Prepared) {
	for n := range d.Objects {
		o := &d.Objects[n]
		o.Why = after.Mask(before.Mask(o.Why))
		for i := range o.Fields {
			render.MaskBoth(&o.Fields[i].From, &o.Fields[i].To, before, after)
		}
	}
	for i := range d.Risks {
		d.Risks[i].Text = after.Mask(before.Mask(d.Risks[i].Text))
	}
	for i := range d.Images {
		image := &d.Images[i]
		image.Image = after.Mask(before.Mask(image.Image))
		render.MaskBoth(&image.From, &image.To, before, after)
	}
}
