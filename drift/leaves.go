package drift

import (
	"fmt"
	"slices"
)

// Leaf is one value of an object that holds no others: a text, a number, or what is
// empty.
type Leaf struct {
	// Path is that of a Field.
	Path string
	// Key tells the leaf from others when lists change around it: elements with names
	// by them, texts and numbers by what they are, all else by its place.
	Key string
	// Steps lead to the leaf: a string is a key, an int an element of a list.
	Steps []any
	Value any
}

// Leaves lists the leaves of an object in the order of its keys, without what the API
// server writes by itself.
func Leaves(object map[string]any) []Leaf {
	var out []Leaf
	leaves(nil, "", object, &out)
	return out
}

func leaves(at []step, key string, v any, out *[]Leaf) {
	if noise[text(at)] {
		return
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) > 0 {
			for _, k := range keysOf(v, nil) {
				leaves(append(slices.Clone(at), step{key: k, index: -1}), key+keyText(k, key == ""), v[k], out)
			}
			return
		}
	case []any:
		if len(v) > 0 {
			elements(at, key, v, out)
			return
		}
	}
	*out = append(*out, Leaf{Path: text(at), Key: key, Steps: plainSteps(at), Value: v})
}

func elements(at []step, key string, list []any, out *[]Leaf) {
	_, named := byName(list)
	seen := map[string]int{}
	for i, e := range list {
		next, own := step{index: i}, fmt.Sprintf("[%d]", i)
		switch v := e.(type) {
		case map[string]any:
			if named {
				next.name, _ = v["name"].(string)
				own = text([]step{next})
			}
		case []any:
		default:
			is := show(v)
			own = fmt.Sprintf("[=%s#%d]", is, seen[is])
			seen[is]++
		}
		leaves(append(slices.Clone(at), next), key+own, e, out)
	}
}

func plainSteps(at []step) []any {
	out := make([]any, 0, len(at))
	for _, s := range at {
		if s.index >= 0 && s.key == "" {
			out = append(out, s.index)
		} else {
			out = append(out, s.key)
		}
	}
	return out
}
