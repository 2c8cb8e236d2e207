package render

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/worker"
)

// notSecret is the annotation by which a chart, or a patch, says that a Secret holds
// nothing that is one.
const notSecret = "tether.stytex.cloud/not-secret"

// entry is one value of a Secret that is rendered.
type entry struct {
	id     manifest.ID
	source string
	key    string
}

// checkSecrets refuses values of Secrets that nothing explains but the repository, where
// anybody can read them: not what was encrypted, what valuesFrom gave, or what was looked
// up, and not chance. While values are left out it can't be told.
func (r *Renderer) checkSecrets(ctx context.Context, p *Prepared, rel *manifest.Release, opts Options, caps *worker.Capabilities) (config.Problems, error) {
	if p.spec.Rules == nil || !p.spec.Rules.EncryptedOnly || len(p.Unread) > 0 {
		return nil, nil
	}
	open := entriesOf(rel)
	maps.DeleteFunc(open, func(_ entry, value string) bool { return p.hiding.explains(value) })
	if len(open) == 0 {
		return nil, nil
	}
	again, err := r.anew(ctx, p, opts, caps)
	if err != nil {
		return nil, err
	}
	generated := entriesOf(again)
	var out config.Problems
	for e, value := range open {
		if generated[e] == value {
			out = append(out, p.readableSecret(e, value))
		}
	}
	slices.SortFunc(out, func(a, b config.Problem) int { return strings.Compare(a.String(), b.String()) })
	return out, nil
}

// anew renders a release once more, whatever was rendered of it before.
func (r *Renderer) anew(ctx context.Context, p *Prepared, opts Options, caps *worker.Capabilities) (*manifest.Release, error) {
	raw, err := p.inputs(opts)
	if err != nil {
		return nil, err
	}
	out, err := r.pool.Render(worker.For(ctx, p.environment), p.chart.Sent(), raw, caps, answers(ctx, opts.Lookup))
	if err != nil {
		return nil, p.renderError(err)
	}
	return r.patched(ctx, p, out, opts)
}

// entriesOf are the values of the Secrets of a release, hooks included, but for those that
// say that they are none.
func entriesOf(rel *manifest.Release) map[entry]string {
	objects := slices.Clone(rel.Objects)
	for _, h := range rel.Hooks {
		objects = append(objects, h.Object)
	}
	out := map[entry]string{}
	for _, o := range objects {
		if o.GroupVersionKind().GroupKind() != (schema.GroupKind{Kind: "Secret"}) || o.GetAnnotations()[notSecret] == "true" {
			continue
		}
		data, _ := o.Object["data"].(map[string]any) // what is no map is the API server's to refuse
		for key, v := range data {
			text := fmt.Sprint(v)
			if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
				text = string(plain)
			}
			out[entry{o.ID(), o.Source, key}] = text
		}
		data, _ = o.Object["stringData"].(map[string]any)
		for key, v := range data {
			out[entry{o.ID(), o.Source, key}] = fmt.Sprint(v)
		}
	}
	return out
}

// readableSecret says where a value of a Secret can be read, and never what it is.
func (p *Prepared) readableSecret(e entry, value string) config.Problem {
	value = strings.TrimSpace(value)
	at, found := p.places().find(func(_, text string) bool { return strings.TrimSpace(text) == value })
	if !found {
		at, found = p.places().find(func(_, text string) bool {
			text = strings.TrimSpace(text)
			return len(text) > tellingSize && strings.Contains(value, text)
		})
	}
	const rule = "secrets of environment.yaml is encrypted-only"
	if found {
		return config.Problem{File: at.file, Line: at.line, Message: fmt.Sprintf("release %s: %s, key %s (%s) gets %s, which stands here for all to read, and %s: move it into a file that sops encrypts, or into a Secret for valuesFrom",
			p.spec.Name, e.id, e.key, e.source, at.key, rule)}
	}
	at = p.places().listed()
	return config.Problem{File: at.file, Line: at.line, Message: fmt.Sprintf("release %s: %s, key %s (%s) is what the chart says for all to read, and %s: give it a value from a file that sops encrypts or from valuesFrom, or, if it is no secret, annotate the object with %s: \"true\"",
		p.spec.Name, e.id, e.key, e.source, rule, notSecret)}
}
