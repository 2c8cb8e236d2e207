package render

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/xetys/tether/render/charts"
	"github.com/xetys/tether/render/mask"
)

// Veil returns what knows the secrets of a release; nil if none are known.
func (p *Prepared) Veil() *mask.Mask {
	if p == nil || p.hiding == nil {
		return nil
	}
	h := p.hiding
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mask == nil {
		h.mask = mask.New(slices.AppendSeq(slices.Clone(h.secrets), maps.Keys(h.values)), h.names)
	}
	return h.mask
}

// HasSecrets reports whether anything secret is known to go into what is rendered.
func (p *Prepared) HasSecrets() bool {
	if p == nil || p.hiding == nil {
		return p != nil && p.opaque
	}
	p.hiding.mu.Lock()
	defer p.hiding.mu.Unlock()
	return len(p.hiding.secrets) > 0 || len(p.hiding.values) > 0 || p.hiding.more
}

// wary reports whether what can't be told for sure is not to be shown.
func (p *Prepared) wary() bool { return p != nil && (p.opaque || p.HasSecrets()) }

// UnknownSecrets returns what stands for a release of which it is not known what is secret: any
// of it may be.
func UnknownSecrets() *Prepared { return &Prepared{opaque: true} }

// Strict returns what knows the same as p, and shows nothing that can't be told for sure: what
// is recorded of the release may hold other secrets than what git asks for now.
func (p *Prepared) Strict() *Prepared {
	if p == nil {
		return UnknownSecrets()
	}
	out := *p
	out.opaque = true
	return &out
}

// words are those that lie open in git, or are known to all.
func (p *Prepared) words() *mask.Words {
	if p == nil || p.hiding == nil {
		return nil
	}
	h := p.hiding
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.public == nil {
		h.public = mask.NewWords()
		h.public.Read(h.names.Text())
		if own, err := plain(&p.spec); err == nil {
			readAll(h.public, own)
		}
		for _, layer := range h.layers {
			readAll(h.public, layer)
		}
		readChart(h.public, p.chart.Name(), p.chart)
	}
	return h.public
}

// readAll takes in the words of values and of their keys.
func readAll(w *mask.Words, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			w.Read(k)
			readAll(w, e)
		}
	case []any:
		for _, e := range v {
			readAll(w, e)
		}
	case string:
		w.Read(v)
	case nil, bool:
	case float64:
		w.Read(strconv.FormatFloat(v, 'f', -1, 64))
	default:
		w.Read(fmt.Sprint(v))
	}
}

// readChart takes in the words of a chart, and of those that it depends on. Helm names a
// file by the chart that it belongs to.
func readChart(w *mask.Words, at string, c *charts.Chart) {
	for _, f := range c.Files {
		w.Read(at + "/" + f.Name)
		if !strings.HasPrefix(f.Name, "crds/") && !strings.HasSuffix(f.Name, ".tgz") {
			w.Read(string(f.Data))
		}
	}
	for _, d := range c.Dependencies {
		readChart(w, at+"/charts/"+d.Name(), d)
	}
}

const masked = mask.Hidden

// quotedValue is how the API server quotes a value that it would not have: up to the last
// colon, where it is neither a text in quotes nor a word.
var quotedValue = regexp.MustCompile(`(?m)((?:Invalid|Unsupported|Duplicate) value: )(?:("(?:[^"\\]|\\.)*")|([\w.+-]+)(: |, |\]|$)|(.*)(: )|(.*))`)

// Mask takes what is secret out of a text, and what the API server quotes of an object,
// where that can't be told from what is.
func (p *Prepared) Mask(text string) string {
	if p == nil {
		return text
	}
	if p.wary() {
		text = quotedValue.ReplaceAllStringFunc(text, func(found string) string {
			part := quotedValue.FindStringSubmatch(found)
			if mask.Plain(part[2]+part[3]+part[5]+part[7], p.words()) {
				return found
			}
			return part[1] + masked + part[4] + part[6]
		})
	}
	return p.Veil().Text(text)
}

// MaskOutput takes what is secret of a release out of what a program wrote; of nil, nothing. Where it can't be told what is,
// all that the program was given in the open is taken out as well, but for words that lie
// open in git: a chart may have made it of a secret.
func MaskOutput(p *Prepared, text string, given []string) string {
	if p == nil {
		return text
	}
	if p.wary() {
		given = slices.DeleteFunc(slices.Clone(given), func(v string) bool { return mask.Plain(v, p.words()) })
		text = mask.New(given, nil).Text(text)
	}
	return p.Veil().Text(text)
}

// MaskDrift hides both states of a field, if one of them holds what is secret, or if the
// wanted one can't be told from what is: what it was before, or became by hand, is as
// secret. A field that is not wanted has to be known itself. No release hides nothing.
func (p *Prepared) MaskDrift(want, have *string) {
	rendered := *want
	if rendered == absent {
		rendered = *have
	}
	if p.wary() && !mask.Plain(rendered, p.words()) || p.shows(*want) || p.shows(*have) {
		*want, *have = masked, masked
	}
}

// absent is what a field is said to be that is not there.
const absent = "(absent)"

// MaskBoth hides two states of a field that were both rendered, by any of the releases, as
// MaskDrift does.
func MaskBoth(a, b *string, by ...*Prepared) {
	var known []*mask.Words
	for _, p := range by {
		known = append(known, p.words())
	}
	unsure := slices.ContainsFunc(by, (*Prepared).wary) && !(mask.Plain(*a, known...) && mask.Plain(*b, known...))
	if unsure || slices.ContainsFunc(by, func(p *Prepared) bool { return p.shows(*a) || p.shows(*b) }) {
		*a, *b = masked, masked
	}
}

// shows reports whether a text holds what is secret.
func (p *Prepared) shows(text string) bool { return p.Veil().Shows(text) }

// hidden is an error of which secret values are taken out of the text.
type hidden struct {
	error
	mask func(string) string
}

// Error returns the text without secret values.
func (h hidden) Error() string { return h.mask(h.error.Error()) }

// Unwrap returns the error as it is.
func (h hidden) Unwrap() error { return h.error }

// Hide returns an error that does not show secret values.
func (p *Prepared) Hide(err error) error {
	if p == nil || err == nil {
		return err
	}
	return hidden{err, p.Mask}
}

// hideFault is Hide for what templates, schemas and patches fail with: they may have made
// anything of a secret, so that no word is shown that is not known.
func (p *Prepared) hideFault(err error) error {
	if err == nil || !p.wary() {
		return err
	}
	return hidden{err, p.faultText}
}

// faultText is what may be shown of a text that a template, a schema or a patch failed with.
func (p *Prepared) faultText(text string) string {
	if !p.wary() {
		return text
	}
	return mask.Only(p.Mask(text), p.words())
}
