package images

import (
	"context"
	"fmt"
	"slices"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
)

// With returns the repository as it is with a change.
func (r *Repository) With(c *Change) *Repository {
	return &Repository{Files: overlay{r.Files, c.File, c.After}, Renderer: r.Renderer, Options: r.Options}
}

// Merge makes one change of those of the same file, which build upon each other in their
// order.
func Merge(changes []*Change) []*Change {
	var out []*Change
	for _, c := range changes {
		if i := slices.IndexFunc(out, func(o *Change) bool { return o.File == c.File }); i >= 0 {
			merged := *out[i]
			merged.After = c.After
			out[i] = &merged
			continue
		}
		out = append(out, c)
	}
	return out
}

// Promote returns the changes that have a release of an environment run the images that
// it runs in another environment of another revision: each key that decides an image
// here gets the value that it has there.
func (r *Repository) Promote(ctx context.Context, environment string, from *Repository, source, release string) ([]*Change, error) {
	there, thereSpec, err := from.find(source, release)
	if err != nil {
		return nil, err
	}
	rel, err := from.release(ctx, there, thereSpec, nil, "")
	if err != nil {
		return nil, err
	}
	values := render.MergeValues(rel.Defaults, rel.Values)
	var out []*Change
	at := r
	for _, image := range manifest.Images(rel.Objects) {
		here, spec, err := at.find(environment, release)
		if err != nil {
			return nil, err
		}
		tag := Tag(image)
		if tag == "" {
			continue
		}
		keys, err := at.Keys(ctx, here, spec, tag)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			to := valueAt(values, k.Path)
			if Tag(to) != tag || to == k.Value {
				continue
			}
			c, err := at.Set(ctx, here, spec, k, to)
			if err != nil {
				return nil, err
			}
			if c != nil {
				out, at = append(out, c), at.With(c)
				if here, spec, err = at.find(environment, release); err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// find loads an environment and one release of it.
func (r *Repository) find(environment, release string) (*render.Environment, config.ReleaseSpec, error) {
	env, err := render.LoadEnvironment(r.Files, environment)
	if err != nil {
		return nil, config.ReleaseSpec{}, err
	}
	for _, spec := range env.Releases {
		if spec.Name == release {
			return env, spec, nil
		}
	}
	return nil, config.ReleaseSpec{}, fmt.Errorf("environment %s has no release %s", environment, release)
}
