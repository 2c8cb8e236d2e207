package render

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/xetys/tether/render/worker"
)

// found are values of Secrets that templates looked up. It is safe for concurrent use.
type found struct {
	mu     sync.Mutex
	values map[string]bool
}

// maxFound bounds how many values of Secrets are remembered: a template may look up all
// of them.
const maxFound = 10_000

// note takes note of what was looked up, if it is a Secret, or Secrets.
func (f *found) note(q worker.Question, raw []byte) {
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
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range append(answer.Items, answer.Secret) {
		for _, v := range s.Data {
			if len(f.values) < maxFound {
				f.values[strings.TrimSpace(string(v))] = true
			}
		}
	}
}

// known returns the values that must not be shown.
func (p *Prepared) known() []string {
	out := slices.Clone(p.secrets)
	if p.found == nil {
		return out
	}
	p.found.mu.Lock()
	defer p.found.mu.Unlock()
	for v := range p.found.values {
		out = append(out, v)
	}
	return out
}

const (
	masked      = "(masked)"
	tellingSize = 4 // shorter texts are masked in quotes only
)

// Mask takes values that are secret out of a message, as they are and as base64.
func (p *Prepared) Mask(text string) string {
	if p == nil {
		return text
	}
	secrets := p.known()
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, s := range slices.Compact(secrets) {
		if s == "" {
			continue
		}
		for _, form := range []string{s, strings.Join(strings.Fields(s), " "), base64.StdEncoding.EncodeToString([]byte(s))} {
			if len(form) >= tellingSize {
				text = strings.ReplaceAll(text, form, masked)
			}
			for _, q := range []string{`"`, `'`, "`"} {
				text = strings.ReplaceAll(text, q+form+q, masked)
			}
		}
	}
	return text
}

// Unknown returns what stands for a release of which it is not known what is secret:
// all of it may be.
func Unknown() *Prepared { return &Prepared{opaque: true} }

// MaskBoth hides both states of a field, if one of them holds what is secret: what
// it was before, or became by hand, is as secret. No release hides nothing.
func (p *Prepared) MaskBoth(a, b *string) {
	if p != nil && (p.opaque || p.shows(*a) || p.shows(*b)) {
		*a, *b = masked, masked
	}
}

// shows reports whether a text, which may be cut off, holds what is secret.
func (p *Prepared) shows(text string) bool {
	const telling = 24
	return p.Mask(text) != text || slices.ContainsFunc(p.known(), func(s string) bool {
		quoted := strings.Trim(strconv.Quote(s), `"`)
		return len(quoted) > telling && strings.Contains(text, quoted[:telling])
	})
}

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
	if p == nil || err == nil || len(p.known()) == 0 {
		return err
	}
	return hidden{err, p.Mask}
}
