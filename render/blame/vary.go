package blame

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/xetys/tether/render"
)

// ways is in how many ways a value is changed: a chart may refuse some.
const ways = 3

var lastDigits = regexp.MustCompile(`^(.*?)([0-9]{1,9})([^0-9]*)$`)

// variant is another value in place of one, of the same kind; nil if there are no more.
func variant(v any, n int) any {
	switch v := v.(type) {
	case bool:
		return first(n, !v)
	case string:
		return variantOf(v, n)
	case nil:
		return first(n, "x", float64(1), map[string]any{"x": "x"})
	case map[string]any:
		return first(n, map[string]any{"x": "x"}, map[string]any{"x": map[string]any{"x": "x"}})
	case []any:
		return first(n, []any{"x"}, []any{map[string]any{"name": "x"}})
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return nil
		}
		return variant(f, n)
	case float64:
		return first(n, v+1, v-1)
	case int64:
		return first(n, v+1, v-1)
	case int:
		return first(n, v+1, v-1)
	}
	return nil
}

func first(n int, list ...any) any {
	if n < len(list) {
		return list[n]
	}
	return nil
}

// variantOf changes the last number of a text, so that versions and quantities stay what
// they are, or makes it longer.
func variantOf(text string, n int) any {
	part := lastDigits.FindStringSubmatch(text)
	switch {
	case text == "":
		return first(n, "x", "1")
	case part == nil:
		return first(n, text+"x", "x"+text)
	}
	number, err := strconv.Atoi(part[2])
	if err != nil {
		return first(n, text+"x")
	}
	return first(n, part[1]+fmt.Sprint(number+1)+part[3], text+"x")
}

// eachValue goes through the values that hold no others, sorted.
func eachValue(v any, path []any, see func([]any, any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			eachValue(v[k], append(slices.Clone(path), k), see)
		}
		if len(v) > 0 || len(path) == 0 {
			return
		}
	case []any:
		for i, e := range v {
			eachValue(e, append(slices.Clone(path), i), see)
		}
		if len(v) > 0 {
			return
		}
	}
	see(path, v)
}

func valueAt(v any, path []any) any {
	for _, step := range path {
		switch at := v.(type) {
		case map[string]any:
			v = at[fmt.Sprint(step)]
		case []any:
			i, ok := step.(int)
			if !ok || i >= len(at) {
				return nil
			}
			v = at[i]
		default:
			return nil
		}
	}
	return v
}

// set returns a release's own values with another one at a path. A list is replaced as a
// whole: its other elements are as all values have them. Nothing that is given is changed.
func set(own, all map[string]any, path []any, to any) map[string]any {
	out := maps.Clone(own)
	if out == nil {
		out = map[string]any{}
	}
	key := fmt.Sprint(path[0])
	out[key] = put(own[key], all[key], path[1:], to)
	return out
}

func put(own, all any, path []any, to any) any {
	if len(path) == 0 {
		return to
	}
	if i, ok := path[0].(int); ok {
		list, _ := own.([]any)
		if list == nil {
			list, _ = all.([]any)
		}
		list = slices.Clone(list)
		whole, _ := all.([]any)
		if i < len(list) {
			list[i] = put(list[i], first(i, whole...), path[1:], to)
		}
		return list
	}
	mine, _ := own.(map[string]any)
	whole, _ := all.(map[string]any)
	return set(mine, whole, path, to)
}

// Set returns values with another one at a path, as they are tried.
func Set(p render.Inspection, defaults map[string]any, path []any, to any) map[string]any {
	return set(p.Values(), render.MergeValues(defaults, p.Values()), path, to)
}
