package drift

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Adopt returns an object as it is wanted, with what is live of some fields, by their
// paths as Compare and Foreign tell them: changed, added or taken away. What can't be found
// in either is an error. No given object is modified.
func Adopt(want, live *unstructured.Unstructured, paths []string) (*unstructured.Unstructured, error) {
	out := want.DeepCopy()
	var gone [][]any
	for _, path := range slices.Sorted(slices.Values(paths)) {
		steps, err := parsePath(path)
		if err != nil {
			return nil, err
		}
		v := presence(live.Object)
		for _, s := range steps {
			if v = v.at(s); !v.ok {
				break
			}
		}
		if !v.ok {
			if at, ok := locate(out.Object, steps); ok {
				gone = append(gone, at)
			}
			continue
		}
		object, err := grafted(out.Object, live.Object, steps, v.value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out.Object, _ = object.(map[string]any)
	}
	slices.SortFunc(gone, func(a, b []any) int { return -comparePointers(texts(a), texts(b)) }) // the last elements first
	for _, at := range gone {
		removeAt(out.Object, texts(at))
	}
	return out, nil
}

func texts(steps []any) []string {
	var out []string
	for _, s := range steps {
		out = append(out, fmt.Sprint(s))
	}
	return out
}

// selector is a step of a path as it is told: a key, an element's place, its fields, or
// what it is.
type selector struct {
	key   string
	index int // -1 for all else
	keys  map[string]string
	value any // of an element of a set
	set   bool
}

// at is what a step leads to.
func (t there) at(s selector) there {
	switch v := t.value.(type) {
	case map[string]any:
		e, ok := v[s.key]
		return there{e, ok && s.index < 0 && s.keys == nil && !s.set}
	case []any:
		if i := s.in(v); i >= 0 {
			return there{v[i], true}
		}
	}
	return there{}
}

// in is the place of the element that is meant; -1 if there is none.
func (s selector) in(list []any) int {
	switch {
	case s.set || s.value != nil:
		return slices.IndexFunc(list, func(e any) bool { return same(e, s.value) })
	case s.keys != nil:
		return slices.IndexFunc(list, func(e any) bool {
			m, ok := e.(map[string]any)
			for k, want := range s.keys {
				have, there := m[k]
				ok = ok && (fmt.Sprint(have) == want || !there && k == "protocol" && want == "TCP")
			}
			return ok
		})
	case s.index >= 0 && s.index < len(list):
		return s.index
	}
	return -1
}

// locate is where a path leads in an object: keys, and places in lists.
func locate(v any, steps []selector) ([]any, bool) {
	var out []any
	for _, s := range steps {
		switch at := v.(type) {
		case map[string]any:
			next, ok := at[s.key]
			if !ok {
				return nil, false
			}
			out, v = append(out, s.key), next
		case []any:
			i := s.in(at)
			if i < 0 {
				return nil, false
			}
			out, v = append(out, i), at[i]
		default:
			return nil, false
		}
	}
	return out, true
}

// grafted is a value with another one where a path leads, which is made as it is in live.
func grafted(v, live any, steps []selector, to any) (any, error) {
	if len(steps) == 0 {
		return runtime.DeepCopyJSONValue(to), nil
	}
	s := steps[0]
	next := there{live, true}.at(s)
	if !next.ok {
		return nil, errors.New("it is not there")
	}
	switch l := live.(type) {
	case map[string]any:
		m, ok := v.(map[string]any)
		if !ok && v != nil {
			return runtime.DeepCopyJSONValue(live), nil
		}
		out := maps.Clone(m)
		if out == nil {
			out = map[string]any{}
		}
		e, err := grafted(out[s.key], next.value, steps[1:], to)
		out[s.key] = e
		return out, err
	case []any:
		list, ok := v.([]any)
		if !ok {
			return runtime.DeepCopyJSONValue(live), nil
		}
		return graftedElement(list, l, s, next.value, steps[1:], to)
	}
	return nil, errors.New("it is neither a map nor a list")
}

// graftedElement is a list with an element of another one: in the place of its own, or
// behind the one that it follows there.
func graftedElement(list, live []any, s selector, element any, rest []selector, to any) (any, error) {
	out := slices.Clone(list)
	if i := s.in(list); i >= 0 {
		e, err := grafted(list[i], element, rest, to)
		out[i] = e
		return out, err
	}
	place := len(out)
	if s.index < 0 {
		place = 0
		for i := s.in(live) - 1; i >= 0 && place == 0; i-- {
			place = counterpartOf(out, live[i]) + 1
		}
	}
	return slices.Insert(out, place, runtime.DeepCopyJSONValue(element)), nil
}

// counterpartOf is the element of a list that is another one's: by its name, or the same.
func counterpartOf(list []any, e any) int {
	name := nameOf(e)
	return slices.IndexFunc(list, func(o any) bool { return name != "" && nameOf(o) == name || name == "" && same(o, e) })
}

// parsePath reads a path as it is told.
func parsePath(path string) ([]selector, error) {
	var out []selector
	for rest := path; rest != ""; {
		var s selector
		var err error
		if rest[0] == '[' {
			s, rest, err = parseElement(rest)
		} else {
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			s, rest = selector{key: rest[:end], index: -1}, rest[end:]
		}
		if err != nil {
			return nil, fmt.Errorf("path %s: %w", path, err)
		}
		out = append(out, s)
	}
	return out, nil
}

// parseElement reads what stands in brackets: "a key", 3, name=web, or a value.
func parseElement(text string) (selector, string, error) {
	none := selector{}
	var inner, rest string
	var found bool
	if strings.HasPrefix(text, `["`) {
		quoted, err := strconv.QuotedPrefix(text[1:])
		if err != nil {
			return none, "", fmt.Errorf("%s: it has no end", text)
		}
		key, err := strconv.Unquote(quoted)
		rest, found = strings.CutPrefix(text[1+len(quoted):], "]")
		if err != nil || !found {
			return none, "", fmt.Errorf("%s: it has no end", text)
		}
		return selector{key: key, index: -1, value: key}, rest, nil
	}
	if inner, rest, found = strings.Cut(text[1:], "]"); !found {
		return none, "", fmt.Errorf("%s: it has no end", text)
	}
	if i, err := strconv.Atoi(inner); err == nil && i >= 0 {
		return selector{index: i}, rest, nil
	}
	if !strings.Contains(inner, "=") {
		var v any
		if err := json.Unmarshal([]byte(inner), &v); err != nil {
			v = inner
		}
		return selector{index: -1, set: true, value: v}, rest, nil
	}
	keys := map[string]string{}
	for part := range strings.SplitSeq(inner, ",") {
		k, v, _ := strings.Cut(part, "=")
		keys[k] = v
	}
	return selector{index: -1, keys: keys}, rest, nil
}
