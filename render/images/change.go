package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/edit"
)

// Change is a file that gives a release another tag.
type Change struct {
	// File is from the repository's root.
	File          string
	Before, After []byte
	// Key is the values key that was set, and To its new value.
	Key Key
	To  string
	// Images are those of the release, before and with the change.
	From, Into []string
}

// SetTag returns the change of a file that has a release run the tag. key names the
// values key; empty has it found. No change is returned if the release runs the tag
// already. The change is proven by rendering: the release is valid with it, and an image
// has the tag. What is wrong is an error that says how to go on.
func (r *Repository) SetTag(ctx context.Context, env *render.Environment, spec config.ReleaseSpec, key, tag string) (*Change, error) {
	k, err := r.key(ctx, env, spec, key, tag)
	if err != nil {
		return nil, err
	}
	return r.Set(ctx, env, spec, k, with(k, tag))
}

// Set returns the change of a file that gives a key of a release's values another value.
func (r *Repository) Set(ctx context.Context, env *render.Environment, spec config.ReleaseSpec, k Key, to string) (*Change, error) {
	c := &Change{Key: k, To: to}
	var err error
	if c.From, err = r.Images(ctx, env, spec, nil, ""); err != nil {
		return nil, err
	}
	file, path, err := r.place(env, spec, k)
	if err != nil {
		return nil, err
	}
	c.File = file
	if c.Before, err = fs.ReadFile(r.Files, file); err != nil {
		return nil, err
	}
	if c.After, err = edit.Set(c.Before, path, to); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if slices.Equal(c.Before, c.After) {
		return nil, nil
	}
	if err := r.prove(ctx, env, spec, c); err != nil {
		return nil, err
	}
	return c, nil
}

// prove renders the release with the change.
func (r *Repository) prove(ctx context.Context, env *render.Environment, spec config.ReleaseSpec, c *Change) error {
	changed := &Repository{Files: overlay{r.Files, c.File, c.After}, Renderer: r.Renderer, Options: r.Options, ruled: true}
	after, err := render.LoadEnvironment(changed.Files, env.Name)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(after.Releases, func(s config.ReleaseSpec) bool { return s.Name == spec.Name })
	if at < 0 {
		return fmt.Errorf("%s: release %s is not there with the change", c.File, spec.Name)
	}
	if c.Into, err = changed.Images(ctx, after, after.Releases[at], nil, ""); err != nil {
		return err
	}
	come := without(c.Into, c.From)
	if len(come) == 0 {
		return fmt.Errorf("release %s: %s = %s changes no image (%s): name the key that does with --key", spec.Name, c.Key, c.To, strings.Join(c.From, ", "))
	}
	if !all(come, func(image string) bool { return Tag(image) == Tag(c.To) }) {
		return fmt.Errorf("release %s: with %s = %s its images are %s: what else they are made of has to change too", spec.Name, c.Key, c.To, strings.Join(come, ", "))
	}
	for _, image := range come {
		if _, digest, found := strings.Cut(image, "@"); found {
			return fmt.Errorf("release %s: image %s is pinned by its digest %s, which decides what runs: change that too, by hand", spec.Name, image, digest)
		}
	}
	return nil
}

// key finds the key that decides the release's images.
func (r *Repository) key(ctx context.Context, env *render.Environment, spec config.ReleaseSpec, name, tag string) (Key, error) {
	if name != "" {
		var path []any
		for _, step := range strings.Split(name, ".") {
			path = append(path, step)
		}
		rel, err := r.release(ctx, env, spec, nil, "")
		if err != nil {
			return Key{}, err
		}
		return Key{Path: path, Value: valueAt(render.MergeValues(rel.Defaults, rel.Values), path)}, nil
	}
	keys, err := r.Keys(ctx, env, spec, tag)
	keys = versioned(env.Rules.Versioning, keys)
	switch {
	case err != nil:
		return Key{}, err
	case len(keys) == 0:
		// The release may be invalid with the tag: then that is what has to be told.
		images, err := r.Images(ctx, env, spec, nil, "")
		if err != nil {
			return Key{}, err
		}
		return Key{}, fmt.Errorf("release %s: no key of its values was found that decides the tag of an image (its images: %s): name one with --key", spec.Name, strings.Join(images, ", "))
	case len(keys) > 1:
		return Key{}, fmt.Errorf("release %s: %d keys of its values decide images, name one with --key: %s", spec.Name, len(keys), describeKeys(keys))
	}
	return keys[0], nil
}

// versioned are the keys whose images the environment's scheme of versions is about, if
// that tells keys apart.
func versioned(v *config.Versioning, keys []Key) []Key {
	if v == nil || len(keys) < 2 {
		return keys
	}
	own := slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return !all(k.Images, v.Concerns) })
	if len(own) == 0 {
		return keys
	}
	return own
}

func describeKeys(keys []Key) string {
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%s (%s)", k, strings.Join(k.Images, ", ")))
	}
	return strings.Join(out, "; ")
}

// valueAt is the text at a path of values; empty for none.
func valueAt(values map[string]any, path []any) string {
	var v any = values
	for _, step := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[fmt.Sprint(step)]
	}
	switch v.(type) {
	case nil, map[string]any, []any:
		return ""
	}
	return fmt.Sprint(v)
}

// ErrEncrypted is that a value is set in a file that sops encrypts.
var ErrEncrypted = errors.New("change it with sops")

// Place is the file, and the path in it, where a key of a release's values is to be set:
// where its value comes from now, if that is the release's own, or else in the last file
// that is. What is encrypted is an ErrEncrypted.
func (r *Repository) Place(env *render.Environment, spec config.ReleaseSpec, path []any) (string, []any, error) {
	return r.place(env, spec, Key{Path: path})
}

// place is the file, and the path in it, where a key of a release's values is to be set:
// where its value comes from now, if that is the release's own. What several releases
// share is overruled in a file of the release's own that comes later.
func (r *Repository) place(env *render.Environment, spec config.ReleaseSpec, k Key) (string, []any, error) {
	shared, err := r.shared(env, spec)
	if err != nil {
		return "", nil, err
	}
	own := "" // the last file that is the release's own
	for i, v := range slices.Backward(spec.Values) {
		values := v.Inline
		if v.File != "" {
			raw, err := fs.ReadFile(r.Files, v.File)
			if err != nil {
				return "", nil, err
			}
			values = nil // of the last file
			if err := yaml.Unmarshal(raw, &values); err != nil {
				return "", nil, fmt.Errorf("%s: it is no map of values: %w", v.File, err)
			}
			if _, encrypted := values["sops"]; encrypted {
				if has(values, k.Path) {
					return "", nil, fmt.Errorf("release %s: %s is set in %s, which is encrypted: %w", spec.Name, k, v.File, ErrEncrypted)
				}
				continue
			}
			if own == "" && !shared[v.File] {
				own = v.File
			}
		}
		if !has(values, k.Path) {
			continue
		}
		if v.File == "" {
			path, err := r.inline(env, spec, i)
			return environmentFile(env), append(path, k.Path...), err
		}
		if !shared[v.File] {
			return v.File, k.Path, nil
		}
		if own == "" {
			return "", nil, fmt.Errorf("release %s: %s is set in %s, which other releases use too: give the release a values file of its own after it", spec.Name, k, v.File)
		}
		break
	}
	if own == "" {
		return "", nil, fmt.Errorf("release %s has no values file of its own in which %s could be set: list one under values, in %s", spec.Name, k, environmentFile(env))
	}
	return own, k.Path, nil
}

func environmentFile(env *render.Environment) string {
	return "environments/" + env.Name + "/environment.yaml"
}

func has(values map[string]any, path []any) bool {
	var v any = values
	for _, step := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return false
		}
		if v, ok = m[fmt.Sprint(step)]; !ok {
			return false
		}
	}
	return true
}

// inline is the path in environment.yaml of a layer of values that stands there.
func (r *Repository) inline(env *render.Environment, spec config.ReleaseSpec, layer int) ([]any, error) {
	raw, err := fs.ReadFile(r.Files, environmentFile(env))
	if err != nil {
		return nil, err
	}
	var doc struct {
		Spec struct {
			Releases []struct {
				Name   string `json:"name"`
				Values any    `json:"values"`
			} `json:"releases"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", environmentFile(env), err)
	}
	for i, rel := range doc.Spec.Releases {
		if rel.Name != spec.Name {
			continue
		}
		path := []any{"spec", "releases", i, "values"}
		if _, list := rel.Values.([]any); list {
			path = append(path, layer)
		}
		return path, nil
	}
	return nil, errors.New("release " + spec.Name + " is not listed in " + environmentFile(env))
}

// shared are the values files that other releases, of any environment, use too. An
// environment that can't be read is left out: its files are not known.
func (r *Repository) shared(env *render.Environment, spec config.ReleaseSpec) (map[string]bool, error) {
	names, err := config.Environments(r.Files)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for _, name := range names {
		other, err := config.Load(r.Files, name)
		if err != nil {
			continue
		}
		for _, rel := range other.Releases {
			if name == env.Name && rel.Name == spec.Name {
				continue
			}
			for _, v := range rel.Values {
				out[v.File] = true
			}
		}
	}
	return out, nil
}
