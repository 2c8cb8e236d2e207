package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/xetys/tether/render/mask"
	"github.com/xetys/tether/render/worker"
)

// hiding is what is known of what may not be shown of a release, and of what may. It is
// safe for concurrent use.
type hiding struct {
	names   *mask.Names      // what is known to all
	secrets []string         // values that must not be shown
	layers  []map[string]any // of values, as far as they may be shown

	mu     sync.Mutex
	values map[string]bool // of Secrets that templates looked up
	size   int             // of values
	more   bool            // there are more than are remembered
	mask   *mask.Mask      // of all that is known; nil if it is to be made anew
	public *mask.Words     // of what lies open in git; nil until it is asked for
}

// maxFound and maxFoundSize bound what is remembered of looked up Secrets: a template may
// look up all of them.
const (
	maxFound     = 10_000
	maxFoundSize = 1 << 20
)

// layer takes in a layer of values. A release without a hiding has no secrets.
func (h *hiding) layer(l layer) {
	if h == nil {
		return
	}
	if l.secret {
		h.secrets = append(h.secrets, leaves(l.values)...)
		l.values = keysOnly(l.values)
	}
	h.layers = append(h.layers, l.values)
}

// note takes note of what was looked up, if it is a Secret, or Secrets.
func (h *hiding) note(q worker.Question, raw []byte) {
	if q.Kind != "Secret" || q.APIVersion != "v1" || len(raw) == 0 {
		return
	}
	var answer struct {
		corev1.Secret
		Items []corev1.Secret
	}
	if json.Unmarshal(raw, &answer) != nil {
		return // the template gets nothing of it that could be shown
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range append(answer.Items, answer.Secret) {
		for _, v := range s.Data {
			text := strings.TrimSpace(string(v))
			switch {
			case h.values[text]:
			case len(h.values) >= maxFound || h.size+len(text) > maxFoundSize:
				h.more = true
			default:
				h.values[text], h.mask = true, nil
				h.size += len(text)
			}
		}
	}
}

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

// known returns the values that must not be shown.
func (p *Prepared) known() []string {
	p.hiding.mu.Lock()
	defer p.hiding.mu.Unlock()
	return slices.AppendSeq(slices.Clone(p.hiding.secrets), maps.Keys(p.hiding.values))
}

// Secretive reports whether anything secret is known to go into what is rendered.
func (p *Prepared) Secretive() bool {
	if p == nil || p.hiding == nil {
		return p != nil && p.opaque
	}
	p.hiding.mu.Lock()
	defer p.hiding.mu.Unlock()
	return len(p.hiding.secrets) > 0 || len(p.hiding.values) > 0 || p.hiding.more
}

// wary reports whether what can't be told for sure is not to be shown.
func (p *Prepared) wary() bool { return p != nil && (p.opaque || p.Secretive()) }

// Unknown returns what stands for a release of which it is not known what is secret: any
// of it may be.
func Unknown() *Prepared { return &Prepared{opaque: true} }

// Wary returns what knows the same as p, and shows nothing that can't be told for sure: what
// is recorded of the release may hold other secrets than what git asks for now.
func (p *Prepared) Wary() *Prepared {
	if p == nil {
		return Unknown()
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
		if own, err := p.spec.plain(); err == nil {
			readAll(h.public, own)
		}
		for _, layer := range h.layers {
			readAll(h.public, layer)
		}
		p.source.read(h.public)
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

// keysOnly returns values of which the keys alone may be shown.
func keysOnly(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for k, v := range values {
		out[k] = nil
		if m, ok := v.(map[string]any); ok {
			out[k] = keysOnly(m)
		}
	}
	return out
}

// read takes in the words of a chart, and of those that it depends on.
func (s *source) read(w *mask.Words) {
	for _, f := range s.files {
		w.Read(f.Name)
		if !strings.HasPrefix(f.Name, "crds/") && !strings.HasSuffix(f.Name, ".tgz") {
			w.Read(string(f.Data))
		}
	}
	for _, d := range s.deps {
		d.read(w)
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
