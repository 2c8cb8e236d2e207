package absorb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xetys/tether/render/manifest"
)

// ways are those in which values may have a difference rendered, the likeliest first.
func (s *solver) ways(id manifest.ID, d difference) []way {
	nodes := s.nodes(d, id.Kind)
	var out []way
	switch {
	case d.added:
		out = additions(nodes, d)
	case d.gone:
		out = removals(nodes, d)
	default:
		if list, ok := d.old.([]any); ok {
			out = ofLists(nodes, list, d.to)
		} else {
			out = ofScalars(nodes, d)
		}
	}
	var distinct []way
	seen := map[string]bool{}
	for _, w := range out {
		key := fmt.Sprintf("%v", []value(w))
		if !seen[key] {
			distinct = append(distinct, w)
		}
		seen[key] = true
	}
	return distinct
}

func one(path []any, to any) way { return way{{path: path, to: to}} }

func child(path []any, step any) []any { return append(slices.Clone(path), step) }

func isScalar(v any) bool {
	switch v.(type) {
	case nil, map[string]any, []any:
		return false
	}
	return true
}

func isNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

// text is a single value as templates print it.
func text(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// typed is a text as a value of the kind of another one.
func typed(like any, to string) any {
	switch like.(type) {
	case bool:
		if b, err := strconv.ParseBool(to); err == nil {
			return b
		}
	case float64, int64, int:
		if f, err := strconv.ParseFloat(to, 64); err == nil {
			return f
		}
	}
	return to
}

// ofScalars changes a value that is what is rendered, or part of it; two that are parts; or
// gives one to what says nothing.
func ofScalars(nodes []node, d difference) []way {
	if !isScalar(d.old) || !isScalar(d.to) {
		return nil
	}
	old, to := text(d.old), text(d.to)
	var whole, part, empty []way
	var parts []node
	for _, n := range nodes {
		if isNothing(n.value) {
			if n.value == nil || n.value == "" {
				empty = append(empty, one(n.path, d.to))
				if _, tag, ok := imageOf(to); ok {
					empty = append(empty, one(n.path, tag))
				}
			}
			continue
		}
		if !isScalar(n.value) {
			continue
		}
		is := text(n.value)
		if is == old {
			whole = append(whole, one(n.path, typed(n.value, to)))
		} else if strings.Contains(old, is) {
			parts = append(parts, n)
			if with, ok := within(old, to, is); ok {
				part = append(part, one(n.path, typed(n.value, with)))
			} else if without(old, is, to) {
				part = append(part, takenAway(n)...)
			}
		}
	}
	return slices.Concat(whole, part, pairs(parts, old, to), empty)
}

// within is what a part of a text becomes when the text becomes another.
func within(old, to, part string) (string, bool) {
	for _, at := range []int{strings.Index(old, part), strings.LastIndex(old, part)} {
		before, after := old[:at], old[at+len(part):]
		if strings.HasPrefix(to, before) && strings.HasSuffix(to, after) && len(to) > len(before)+len(after) {
			return to[len(before) : len(to)-len(after)], true
		}
	}
	return "", false
}

// without reports whether a text becomes another when a part of it goes, with the sign in front
// of it: an image's digest.
func without(old, part, to string) bool {
	at := strings.LastIndex(old, part)
	return at > 0 && old[:at-1]+old[at+len(part):] == to
}

// pairs change two parts of a text: an image's name and its tag.
func pairs(parts []node, old, to string) []way {
	var out []way
	parts = parts[:min(len(parts), 12)]
	for _, a := range parts {
		for _, b := range parts {
			x, y := text(a.value), text(b.value)
			i := strings.Index(old, x)
			j := strings.LastIndex(old, y)
			if j < i+len(x) || i < 0 {
				continue
			}
			before, mid, after := old[:i], old[i+len(x):j], old[j+len(y):]
			rest, ok := strings.CutPrefix(to, before)
			if ok {
				rest, ok = strings.CutSuffix(rest, after)
			}
			at := strings.LastIndex(rest, mid)
			if ok && mid != "" && at > 0 {
				out = append(out, way{{path: a.path, to: rest[:at]}, {path: b.path, to: rest[at+len(mid):]}})
			}
		}
	}
	return out
}

func imageOf(text string) (name, tag string, ok bool) {
	i := strings.LastIndex(text, ":")
	if i < 0 || i < strings.LastIndex(text, "/") || strings.Contains(text, " ") {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}

// additions give a map the key that is new, or a list the element, or what says nothing
// the value.
func additions(nodes []node, d difference) []way {
	last := fmt.Sprint(d.steps[len(d.steps)-1])
	element, _ := d.to.(map[string]any)
	name, _ := element["name"].(string)
	var same, in, whole []way
	for _, n := range nodes {
		key, _ := n.path[len(n.path)-1].(string)
		if !d.element && takesWhole(n.value, d.to) {
			whole = append(whole, one(n.path, d.to))
		}
		if isNothing(n.value) && !d.element && strings.EqualFold(key, last) {
			same = append(same, one(n.path, d.to))
		}
		switch v := n.value.(type) {
		case map[string]any:
			in = append(in, intoMap(n.path, v, d, last, name, element)...)
		case []any:
			if d.element {
				in = append(in, intoList(n.path, v, d)...)
			}
		case nil:
			if d.element {
				in = append(in, one(n.path, []any{d.to}))
			}
			in = append(in, intoMap(n.path, nil, d, last, name, element)...)
		}
	}
	return interleaved(slices.Concat(same, in), whole)
}

// takesWhole reports whether a value that says nothing may hold all that is new: the data of a
// ConfigMap.
func takesWhole(v, to any) bool {
	switch to.(type) {
	case map[string]any:
		m, ok := v.(map[string]any)
		return v == nil || ok && len(m) == 0
	case []any:
		l, ok := v.([]any)
		return v == nil || ok && len(l) == 0
	}
	return false
}

// interleaved takes from two lists in turns: each has its likeliest first, and few are tried.
func interleaved(a, b []way) []way {
	var out []way
	for i := range max(len(a), len(b)) {
		if i < len(a) {
			out = append(out, a[i])
		}
		if i < len(b) {
			out = append(out, b[i])
		}
	}
	return out
}

func intoMap(path []any, m map[string]any, d difference, last, name string, element map[string]any) []way {
	if !d.element {
		if _, there := m[last]; there {
			return nil
		}
		return []way{one(child(path, last), d.to)}
	}
	if _, there := m[name]; there || name == "" {
		return nil
	}
	if v, ok := element["value"]; ok {
		return []way{one(child(path, name), v)}
	}
	return nil
}

func intoList(path []any, list []any, d difference) []way {
	out := []way{one(path, append(slices.Clone(list), d.to))}
	if d.place < len(list) {
		out = append(out, one(path, slices.Insert(slices.Clone(list), d.place, d.to)))
	}
	return out
}

// removals take away what is rendered, or have it say nothing.
func removals(nodes []node, d difference) []way {
	last := fmt.Sprint(d.steps[len(d.steps)-1])
	m, _ := d.old.(map[string]any)
	name, _ := m["name"].(string)
	var out []way
	for _, n := range nodes {
		key, _ := n.path[len(n.path)-1].(string)
		list, isList := n.value.([]any)
		switch {
		case d.element && isList:
			for i, e := range list {
				em, _ := e.(map[string]any)
				if same(e, d.old) || name != "" && em["name"] == name {
					out = append(out, one(n.path, slices.Delete(slices.Clone(list), i, i+1)))
				}
			}
		case d.element && key == name && name != "", !d.element && strings.EqualFold(key, last), same(n.value, d.old), isScalar(d.old) && isScalar(n.value) && text(n.value) == text(d.old):
			out = append(out, takenAway(n)...)
		}
	}
	return out
}

func takenAway(n node) []way {
	out := []way{{{path: n.path, unset: true}}, one(n.path, nil)}
	switch n.value.(type) {
	case string:
		out = append(out, one(n.path, ""))
	case bool:
		out = append(out, one(n.path, false))
	case map[string]any:
		out = append(out, one(n.path, map[string]any{}))
	case []any:
		out = append(out, one(n.path, []any{}))
	}
	if slices.ContainsFunc(n.path, isInt) {
		return out[1:] // an element can't be unset
	}
	return out
}

// ofLists changes a list that is rendered, or is the part of it that changes.
func ofLists(nodes []node, old []any, to any) []way {
	list, ok := to.([]any)
	if !ok {
		return nil
	}
	var out []way
	for _, n := range nodes {
		v, isList := n.value.([]any)
		if !isList && n.value != nil {
			out = append(out, flags(n, old, list)...)
			continue
		}
		for at := 0; at+len(v) <= len(old); at++ {
			rest := old[at+len(v):]
			if len(list) < at+len(rest) || !same(old[at:at+len(v)], orNone(v)) || !same(list[:at], old[:at]) || !same(list[len(list)-len(rest):], rest) {
				continue
			}
			out = append(out, one(n.path, slices.Clone(list[at:len(list)-len(rest)])))
		}
		out = append(out, cloned(n, v, old, list)...)
	}
	return out
}

// flags give a map the arguments that are new at the end of a list, by their names.
func flags(n node, old, to []any) []way {
	m, ok := n.value.(map[string]any)
	if !ok || len(to) <= len(old) || !same(to[:len(old)], old) {
		return nil
	}
	var out way
	for _, e := range to[len(old):] {
		text, _ := e.(string)
		name, value, valued := strings.Cut(strings.TrimLeft(text, "-"), "=")
		if _, there := m[name]; there || !valued || !strings.HasPrefix(text, "-") {
			return nil
		}
		out = append(out, one(child(n.path, name), value)...)
	}
	return []way{out}
}

func orNone(v []any) []any {
	if v == nil {
		return []any{}
	}
	return v
}

// cloned appends to a list an element like its last one, where what is rendered of that is
// what is new but for some texts: the host of one more rule of an ingress.
func cloned(n node, v, old, to []any) []way {
	if len(v) == 0 || len(v) != len(old) || len(to) != len(old)+1 || !same(to[:len(old)], old) {
		return nil
	}
	changes := map[string]any{}
	for _, d := range differences(map[string]any{"x": old[len(old)-1]}, map[string]any{"x": to[len(old)]}) {
		if !isScalar(d.old) || !isScalar(d.to) {
			return nil
		}
		changes[text(d.old)] = d.to
	}
	return []way{one(n.path, append(slices.Clone(v), substituted(v[len(v)-1], changes)))}
}

func substituted(v any, changes map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = substituted(e, changes)
		}
		return out
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, substituted(e, changes))
		}
		return out
	case nil:
		return nil
	}
	if to, ok := changes[text(v)]; ok {
		return typed(v, text(to))
	}
	return v
}
