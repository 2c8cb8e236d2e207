package absorb

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/xetys/tether/render"
)

// value is another value at a path of a release's values; unset takes it away, so that what
// is below it counts: an earlier file, or the chart's own.
type value struct {
	path  []any
	to    any
	unset bool
}

// keys is the path as far as no list is on it: lists are set as a whole.
func (v value) keys() []any {
	if i := slices.IndexFunc(v.path, isInt); i >= 0 {
		return v.path[:i]
	}
	return v.path
}

// way is one way to change the values: several at once where one alone decides nothing.
type way []value

// String names the keys.
func (w way) String() string {
	var out []string
	for _, v := range w {
		out = append(out, render.ValuesPath(v.path))
	}
	return strings.Join(out, ", ")
}

// assignAll are a release's own values, changed in one way. Nothing that is given is
// changed.
func assignAll(own, all map[string]any, w way) map[string]any {
	for _, v := range w {
		out, _ := assign(own, all, v.path, v)
		own, _ = out.(map[string]any)
		out, _ = assign(all, all, v.path, v)
		all, _ = out.(map[string]any)
	}
	return own
}

// assign changes one value; false says that it is to be left out.
func assign(own, all any, path []any, v value) (any, bool) {
	if len(path) == 0 {
		return v.to, !v.unset
	}
	if i, ok := path[0].(int); ok {
		list, _ := own.([]any)
		whole, _ := all.([]any)
		if list == nil {
			list = whole
		}
		list = slices.Clone(list)
		if i < len(list) {
			list[i], _ = assign(list[i], list[i], path[1:], v)
		}
		return list, true
	}
	mine, _ := own.(map[string]any)
	whole, _ := all.(map[string]any)
	out := maps.Clone(mine)
	if out == nil {
		out = map[string]any{}
	}
	key := fmt.Sprint(path[0])
	e, stays := assign(mine[key], whole[key], path[1:], v)
	if out[key] = e; !stays {
		delete(out, key)
	}
	return out, true
}

// lookUp is what values have at a path of keys.
func lookUp(values map[string]any, keys []any) (any, bool) {
	var v any = values
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[fmt.Sprint(k)]; !ok {
			return nil, false
		}
	}
	return v, true
}

// node is a value, a map or a list of the values.
type node struct {
	path  []any
	value any
	score int
}

// nodes are all values of the release, and those that its templates name and nothing sets,
// the likeliest for a difference first.
func (s *solver) nodes(d difference, kind string) []node {
	all := render.MergeValues(s.now.Defaults, s.p.Values())
	var out []node
	each(all, nil, func(path []any, v any) { out = append(out, node{path: path, value: v}) })
	for _, path := range s.named(all) {
		out = append(out, node{path: path})
	}
	wanted := map[string]int{}
	for i, w := range words(d.path) {
		wanted[w] = 1 + i // what stands last says most
	}
	for _, w := range append(words(kind), strings.ToLower(kind)) {
		wanted[w] = max(wanted[w], 1)
	}
	for i := range out {
		last := len(out[i].path) - 1
		for n, step := range out[i].path {
			for _, w := range words(fmt.Sprint(step)) {
				out[i].score += wanted[w]
				if n == last {
					out[i].score += wanted[w]
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b node) int { return b.score - a.score })
	return out
}

func each(v any, path []any, see func([]any, any)) {
	if len(path) > 0 {
		see(path, v)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			each(v[k], append(slices.Clone(path), k), see)
		}
	case []any:
		for i, e := range v {
			each(e, append(slices.Clone(path), i), see)
		}
	}
}

var valueNames = regexp.MustCompile(`\.Values((?:\.[A-Za-z_]\w*)+)`)

// named are values that the chart's templates name and that nothing sets.
func (s *solver) named(all map[string]any) [][]any {
	seen := map[string]bool{}
	var out [][]any
	for _, name := range s.p.ChartFiles() {
		if !strings.HasPrefix(name, "templates/") {
			continue
		}
		for _, found := range valueNames.FindAllSubmatch(s.p.ChartFile(name), -1) {
			text := string(found[1])
			var path []any
			for _, k := range strings.Split(text[1:], ".") {
				path = append(path, k)
			}
			if _, set := lookUp(all, path); !set && !seen[text] {
				out = append(out, path)
			}
			seen[text] = true
		}
	}
	return out
}

var word = regexp.MustCompile(`[A-Z]?[a-z]+|[A-Z]+|[0-9]+`)

// words are those of a name or a path, in lower case, without the s of several.
func words(text string) []string {
	var out []string
	for _, w := range word.FindAllString(text, -1) {
		w = strings.ToLower(w)
		if len(w) > 3 {
			w = strings.TrimSuffix(w, "s")
		}
		out = append(out, w)
	}
	return out
}
