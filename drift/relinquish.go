package drift

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Relinquish returns an object to be applied without what others hold of it at or below
// some JSON pointers (RFC 6901): a field that another manager owns, and one that
// was applied before (past) and that somebody removed since. What self alone owns
// stays as it is wanted, and so does what is new. An element of a list is found
// again in the cluster by its name. No given object is modified.
func Relinquish(want, live, past *unstructured.Unstructured, self string, pointers []string) *unstructured.Unstructured {
	if live == nil || len(pointers) == 0 {
		return want
	}
	y := relinquisher{others: othersOf(live, self)}
	out := want
	for _, p := range pointers {
		v, keep := y.at(parsePointer(p), nil, out.Object, presence(live.Object), presenceOf(past))
		if m, ok := v.(map[string]any); ok && keep {
			out = &unstructured.Unstructured{Object: m}
		}
	}
	return out
}

type relinquisher struct{ others owners }

func othersOf(live *unstructured.Unstructured, self string) owners {
	return slices.DeleteFunc(allOwnersOf(live), func(o owner) bool { return o.manager == self })
}

// there is a value that may not be there.
type there struct {
	value any
	ok    bool
}

func presence(v any) there { return there{v, true} }

func presenceOf(u *unstructured.Unstructured) there {
	if u == nil {
		return there{}
	}
	return presence(u.Object)
}

// under returns what a step leads to.
func (t there) under(s step) there {
	switch v := t.value.(type) {
	case map[string]any:
		e, ok := v[s.key]
		return there{e, ok && s.index < 0}
	case []any:
		if s.name != "" {
			i := slices.IndexFunc(v, func(e any) bool { return nameOf(e) == s.name })
			if i >= 0 {
				return there{v[i], true}
			}
		} else if s.index >= 0 && s.index < len(v) {
			return there{v[s.index], true}
		}
	}
	return there{}
}

func nameOf(e any) string {
	m, _ := e.(map[string]any)
	name, _ := m["name"].(string)
	return name
}

// at follows a pointer through what is wanted, and relinquishes the fields below it; false
// means that the value is to be left out.
func (y relinquisher) at(pointer []string, path []step, want any, live, past there) (any, bool) {
	if len(pointer) == 0 {
		return y.value(path, want, live, past)
	}
	s, ok := stepIn(want, pointer[0])
	if !ok {
		return want, true // nothing is wanted there
	}
	return y.child(s, path, want, live, past, func(path []step, v any, live, past there) (any, bool) {
		return y.at(pointer[1:], path, v, live, past)
	})
}

// child replaces one child of a map or list by what do makes of it.
func (y relinquisher) child(s step, path []step, want any, live, past there, do func([]step, any, there, there) (any, bool)) (any, bool) {
	before := presence(want).under(s)
	if !before.ok {
		return want, true
	}
	v, keep := do(append(slices.Clone(path), s), before.value, live.under(s), past.under(s))
	switch w := want.(type) {
	case map[string]any:
		w = maps.Clone(w)
		if w[s.key] = v; !keep {
			delete(w, s.key)
		}
		return w, true
	case []any:
		if !keep {
			return want, true // an element is known by its fields: they are relinquished, not the element
		}
		w = slices.Clone(w)
		w[s.index] = v
		return w, true
	}
	return want, true
}

// value relinquishes each field that is wanted at a path. A list whose elements have no names
// is relinquished as a whole.
func (y relinquisher) value(path []step, want any, live, past there) (any, bool) {
	var steps []step
	switch v := want.(type) {
	case map[string]any:
		for _, k := range keysOf(v, nil) {
			steps = append(steps, step{key: k, index: -1})
		}
	case []any:
		if _, named := byName(v); named {
			for i, e := range v {
				steps = append(steps, step{name: nameOf(e), index: i})
			}
		}
	}
	if len(steps) == 0 {
		return y.leaf(path, want, live, past)
	}
	for _, s := range steps {
		if isName := s.key == "name" && len(path) > 0 && path[len(path)-1].name != ""; !isName {
			want, _ = y.child(s, path, want, live, past, y.value)
		}
	}
	return want, true
}

func (y relinquisher) leaf(path []step, want any, live, past there) (any, bool) {
	if !live.ok {
		return want, !past.ok
	}
	if !slices.ContainsFunc(y.others, func(o owner) bool { return owns(o.set, path) }) {
		return want, true
	}
	if l, ok := want.([]any); ok && len(l) > 0 {
		if _, ok := l[0].(map[string]any); ok {
			return live.value, true // part of it may be ours: to drop it would remove that
		}
	}
	return nil, false
}

func parsePointer(p string) []string {
	var out []string
	for part := range strings.SplitSeq(strings.TrimPrefix(p, "/"), "/") {
		out = append(out, strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
	}
	return out
}

// stepIn reads one part of a pointer as a step in a value.
func stepIn(v any, part string) (step, bool) {
	switch v := v.(type) {
	case map[string]any:
		_, ok := v[part]
		return step{key: part, index: -1}, ok
	case []any:
		i, err := strconv.Atoi(part)
		if err != nil || i < 0 || i >= len(v) {
			return step{}, false
		}
		s := step{index: i}
		if _, named := byName(v); named {
			s.name = nameOf(v[i])
		}
		return s, true
	}
	return step{}, false
}

// pathOf turns a JSON pointer into a path as people read it, with the names of the
// elements that it counts.
func pathOf(u *unstructured.Unstructured, pointer string) string {
	var steps []step
	at := presence(u.Object)
	for _, part := range parsePointer(pointer) {
		s, ok := stepIn(at.value, part)
		if !ok {
			s = step{key: part, index: -1}
		}
		steps, at = append(steps, s), at.under(s)
	}
	return text(steps)
}

// lookup returns what a pointer leads to.
func lookup(v any, pointer []string) (any, bool) {
	at := presence(v)
	for _, part := range pointer {
		s, ok := stepIn(at.value, part)
		if !ok {
			return nil, false
		}
		s.name = ""
		at = at.under(s)
	}
	return at.value, at.ok
}
