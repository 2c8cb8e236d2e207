// Package images finds the values key that decides a release's images, and changes it in
// the file that sets it.
//
// It does not know git or a cluster: it reads an fs.FS and returns a file's new content.
package images

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/edit"
	"github.com/xetys/tether/render/manifest"
)

// Repository is a config repository, and what renders it.
type Repository struct {
	Files    fs.FS
	Renderer *render.Renderer
	Options  render.Options

	ruled bool // what is rendered is held to its environment's rules
}

// Key is a values key that decides images.
type Key struct {
	// Path leads from the values' root to the key.
	Path []any
	// Value is what the release has there now; empty for none.
	Value string
	// Images are those that it decides, as they are now.
	Images []string
}

// String returns the key as people write it: image.tag.
func (k Key) String() string { return edit.Path(k.Path) }

// maxKeys bounds how many keys of a release are tried: each is a render.
const maxKeys = 200

// Images are what a release runs, hooks left out, with a value set at a path of its
// values; without a path as it is.
func (r *Repository) Images(ctx context.Context, env *render.Environment, spec config.ReleaseSpec, path []any, value string) ([]string, error) {
	rel, err := r.release(ctx, env, spec, path, value)
	if err != nil {
		return nil, err
	}
	return manifest.Images(rel.Objects), nil
}

func (r *Repository) release(ctx context.Context, env *render.Environment, spec config.ReleaseSpec, path []any, value string) (*manifest.Release, error) {
	if len(path) > 0 {
		var layer any = value
		for _, step := range slices.Backward(path) {
			layer = map[string]any{fmt.Sprint(step): layer}
		}
		spec.Values = append(slices.Clone(spec.Values), config.ValuesSpec{Inline: layer.(map[string]any)})
	}
	p, err := r.Renderer.Prepare(ctx, r.Files, env, spec)
	if err != nil {
		return nil, err
	}
	opts := r.Options
	opts.Historic = !r.ruled // what is tried is no more than a try
	return r.Renderer.Render(ctx, p, opts)
}

// Keys returns the values keys that decide images of a release, sorted: those with which
// an image gets the tag when they are set. Tried are the keys, of the values and of the
// chart's own, whose name says that they hold an image or a tag. A key that already has
// the tag is told by another one being tried. Where setting a key makes the release
// invalid, the key is left out.
func (r *Repository) Keys(ctx context.Context, env *render.Environment, spec config.ReleaseSpec, tag string) ([]Key, error) {
	rel, err := r.release(ctx, env, spec, nil, "")
	if err != nil {
		return nil, err
	}
	tried := candidates(render.MergeValues(rel.Defaults, rel.Values), nil)
	if len(tried) > maxKeys {
		return nil, fmt.Errorf("release %s has more than %d values that may hold an image: name one with --key", spec.Name, maxKeys)
	}
	before := manifest.Images(rel.Objects)
	var out []Key
	for _, k := range tried {
		to := with(k, tag)
		if to == k.Value {
			to = with(k, tag+"-0")
		}
		after, err := r.Images(ctx, env, spec, k.Path, to)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			continue
		}
		gone, come := without(before, after), without(after, before)
		if len(gone) > 0 && len(come) > 0 && all(come, func(image string) bool { return strings.HasSuffix(image, ":"+Tag(to)) }) {
			k.Images = gone
			out = append(out, k)
		}
	}
	return out, nil
}

// with is what a key holds for its images to have a tag: the tag, or an image with it.
func with(k Key, tag string) string {
	if !strings.HasSuffix(strings.ToLower(fmt.Sprint(k.Path[len(k.Path)-1])), "image") {
		return tag
	}
	name, _, _ := strings.Cut(k.Value, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		name = name[:i]
	}
	return name + ":" + tag
}

// Tag returns an image's tag, or the text itself if it is one; empty for an image
// without a tag.
func Tag(image string) string {
	image, _, _ = strings.Cut(image, "@")
	at := strings.LastIndex(image, ":")
	if at <= strings.LastIndex(image, "/") {
		if strings.Contains(image, "/") {
			return ""
		}
		return image[at+1:]
	}
	return image[at+1:]
}

// candidates are the keys whose name says that they hold an image or a tag.
func candidates(values map[string]any, at []any) []Key {
	var out []Key
	for _, name := range slices.Sorted(maps.Keys(values)) {
		path := append(slices.Clone(at), name)
		switch v := values[name].(type) {
		case map[string]any:
			out = append(out, candidates(v, path)...)
		case []any, bool:
		default:
			lower := strings.ToLower(name)
			text := ""
			if v != nil {
				text = fmt.Sprint(v)
			}
			if strings.HasSuffix(lower, "tag") || lower == "version" || strings.HasSuffix(lower, "image") && text != "" {
				out = append(out, Key{Path: path, Value: text})
			}
		}
	}
	return out
}

func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
}

func all(list []string, is func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !is(s) })
}
