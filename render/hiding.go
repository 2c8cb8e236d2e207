package render

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
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

// layer is one layer of a release's values.
type layer struct {
	values map[string]any
	secret bool // it must not be shown
}

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

// known returns the values that must not be shown.
func (h *hiding) known() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.AppendSeq(slices.Clone(h.secrets), maps.Keys(h.values))
}

// tellingSize is how long a text is that explains what it is a part of.
const tellingSize = 4

// explains reports whether a value is made of one that only who has a key, or may read
// the cluster's Secrets, knows. Short ones explain only what they are.
func (h *hiding) explains(value string) bool {
	value = strings.TrimSpace(value)
	words := strings.Join(strings.Fields(value), " ")
	return value == "" || slices.ContainsFunc(h.known(), func(secret string) bool {
		if len(secret) < tellingSize {
			return secret == value
		}
		return strings.Contains(value, secret) || strings.Contains(words, strings.Join(strings.Fields(secret), " ")) ||
			strings.Contains(value, base64.StdEncoding.EncodeToString([]byte(secret)))
	})
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

// leaves returns the texts and numbers that values hold.
func leaves(v any) []string {
	switch v := v.(type) {
	case map[string]any:
		var out []string
		for _, e := range v {
			out = append(out, leaves(e)...)
		}
		return out
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, leaves(e)...)
		}
		return out
	case nil, bool:
		return nil
	case float64: // 12345678 is written in two ways
		return []string{fmt.Sprint(v), strconv.FormatFloat(v, 'f', -1, 64)}
	default:
		return []string{strings.TrimSpace(fmt.Sprint(v))}
	}
}
