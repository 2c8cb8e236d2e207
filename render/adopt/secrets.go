package adopt

import (
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// evidence tells which values are secret: by what stands in Secrets and nowhere else, and
// by what they are called or look like.
type evidence struct {
	hidden []string // what Secrets hold, decoded
	open   []string // the texts of all other objects
}

const (
	// shortest is how long a text is that is compared with what Secrets hold.
	shortest = 4
	// telling is how long a text is that is looked for in others: shorter ones stand in many.
	telling = 6
)

// newEvidence knows what a release rendered to, and the Secrets that are there.
func newEvidence(objects, secrets []unstructured.Unstructured) *evidence {
	e := &evidence{}
	for _, o := range slices.Concat(objects, secrets) {
		if o.GetKind() == "Secret" && o.GetAPIVersion() == "v1" {
			e.secret(o)
			continue
		}
		texts(o.Object, func(text string) { e.open = append(e.open, text) })
	}
	return e
}

func (e *evidence) secret(o unstructured.Unstructured) {
	data, _, _ := unstructured.NestedMap(o.Object, "data") // what is no map holds nothing
	for _, v := range data {
		text := fmt.Sprint(v)
		e.hidden = append(e.hidden, text)
		if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
			e.hidden = append(e.hidden, string(plain))
		}
	}
	data, _, _ = unstructured.NestedMap(o.Object, "stringData")
	for _, v := range data {
		e.hidden = append(e.hidden, fmt.Sprint(v))
	}
}

// texts goes through the texts of a value.
func texts(v any, see func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, one := range v {
			texts(one, see)
		}
	case []any:
		for _, one := range v {
			texts(one, see)
		}
	case string:
		see(v)
	}
}

// split takes the secret values out of a map of values: what is left, what was taken, and
// where it stood. A list with a secret in it is taken as a whole: lists are not merged.
func (e *evidence) split(values map[string]any) (open, secret map[string]any, at [][]string) {
	open, secret = map[string]any{}, map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		value := values[key]
		if sub, ok := value.(map[string]any); ok {
			left, taken, paths := e.split(sub)
			if len(taken) > 0 {
				secret[key] = taken
			}
			if len(left) > 0 || len(taken) == 0 {
				open[key] = left
			}
			for _, p := range paths {
				at = append(at, append([]string{key}, p...))
			}
			continue
		}
		if e.isSecret(key, value) {
			secret[key] = value
			at = append(at, []string{key})
			continue
		}
		open[key] = value
	}
	return open, secret, at
}

// isSecret reports whether a value, or one in a list, is a secret.
func (e *evidence) isSecret(key string, value any) bool {
	switch v := value.(type) {
	case []any:
		return slices.ContainsFunc(v, func(one any) bool { return e.isSecret(key, one) })
	case map[string]any:
		_, _, at := e.split(v)
		return len(at) > 0
	case string:
		return v != "" && (named(key) || looksSecret(v) || e.stands(v))
	case nil, bool:
		return false
	default:
		return named(key)
	}
}

// stands reports whether a text stands in a Secret, and in nothing that all may read.
func (e *evidence) stands(text string) bool {
	text = strings.TrimSpace(text)
	if len(text) < shortest {
		return false
	}
	in := func(all []string) bool {
		return slices.ContainsFunc(all, func(one string) bool {
			return strings.TrimSpace(one) == text || len(text) >= telling && strings.Contains(one, text)
		})
	}
	return in(e.hidden) && !in(e.open)
}

var (
	secretName = regexp.MustCompile(`(?i)(passw(or)?d|passphrase|secret|token|credential|api_?-?key|access_?-?key|private_?-?key|signing_?-?key|encryption_?-?key|auth_?-?key|\bdsn\b|connection_?string|htpasswd)`)
	// Names of Secrets, and of keys in them, are no secrets; nor is how long a token lasts.
	nameOfOne = regexp.MustCompile(`(?i)(^existing|name$|ref$|keys?$|file$|path$|dir$|enabled$|provider$|expir|ttl|lifetime|duration|interval|length$|size$|automount|pull_?secrets?$|type$|url$|class$|annotations$|labels$)`)
	isAKey    = regexp.MustCompile(`(?i)(api|access|private|signing|encryption|auth)_?-?keys?$`)
	login     = regexp.MustCompile(`://[^/\s:@]*:[^/\s@]+@`)
	privates  = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----|AGE-SECRET-KEY-1|\bgh[pousr]_[A-Za-z0-9]{20}|\bglpat-|\bxox[abprs]-|\bAKIA[0-9A-Z]{16}\b|\beyJ[A-Za-z0-9_-]{10,}\.eyJ`)
)

// named reports whether a key is one of a secret.
func named(key string) bool {
	return secretName.MatchString(key) && (!nameOfOne.MatchString(key) || isAKey.MatchString(key) && !strings.HasPrefix(strings.ToLower(key), "existing"))
}

// looksSecret reports whether a text looksSecret like a secret, whatever it is called.
func looksSecret(text string) bool { return login.MatchString(text) || privates.MatchString(text) }

// get returns what stands in a map under a path of keys.
func get(values map[string]any, at []string) (any, bool) {
	v, ok := values[at[0]]
	if !ok || len(at) == 1 {
		return v, ok
	}
	sub, ok := v.(map[string]any)
	if !ok {
		return nil, false
	}
	return get(sub, at[1:])
}
