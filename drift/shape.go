package drift

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// shape is how the parts of an object are merged, read off what all managers own of
// it (FieldsV1): only the server has the schema, but an element of a list is owned
// under its keys, and what is replaced as a whole is owned as a whole.
type shape map[string]any

// shapeOf unites what the managers of an object own.
func shapeOf(u *unstructured.Unstructured) shape {
	out := shape{}
	for _, m := range managersOf(u) {
		if tree, ok := m["fieldsV1"].(map[string]any); ok {
			out.add(tree)
		}
	}
	return out
}

func (s shape) add(tree map[string]any) {
	for k, v := range tree {
		below, _ := v.(map[string]any)
		mine, _ := s[k].(map[string]any)
		if mine == nil {
			mine = map[string]any{}
			s[k] = mine
		}
		shape(mine).add(below)
	}
}

// field is the shape of what a key leads to; nil if nobody owns any of it.
func (s shape) field(key string) shape {
	below, _ := s["f:"+key].(map[string]any)
	return below
}

// element is the shape that any element of a list may have.
func (s shape) element() shape {
	out := shape{}
	for k, v := range s {
		if below, ok := v.(map[string]any); ok && strings.HasPrefix(k, "k:") {
			out.add(below)
		}
	}
	return out
}

// whole reports whether a value is replaced as a whole: it is owned, and nothing in it
// is owned by itself.
func (s shape) whole() bool { return s != nil && len(s) == 0 }

// keys are the fields by which the elements of a list are told apart; none if the
// list is replaced as a whole, or nobody owns any of it.
func (s shape) keys() []string {
	for k := range s {
		text, ok := strings.CutPrefix(k, "k:")
		var values map[string]any
		if !ok || json.Unmarshal([]byte(text), &values) != nil {
			continue
		}
		return keysOf(values, nil)
	}
	return nil
}

// isSet reports whether the elements of a list are owned by their values.
func (s shape) isSet() bool {
	for k := range s {
		if strings.HasPrefix(k, "v:") {
			return true
		}
	}
	return false
}

// alike reports whether two elements are the same one. A key that one of them does not
// have is one that the server fills in, such as a port's protocol.
func alike(a, b any, keys []string) bool {
	x, xok := a.(map[string]any)
	y, yok := b.(map[string]any)
	if !xok || !yok || len(keys) == 0 {
		return false
	}
	met := false
	for _, k := range keys {
		v, vok := x[k]
		w, wok := y[k]
		if vok && wok && !same(v, w) {
			return false
		}
		met = met || vok && wok
	}
	return met
}

// counterpart finds the element of a list that is the same as another's; -1 if there
// is none.
func counterpart(list []any, e any, keys []string) int {
	return slices.IndexFunc(list, func(o any) bool { return alike(o, e, keys) })
}

// along follows a path.
func (s shape) along(p fieldpath.Path) shape {
	for _, pe := range p {
		if pe.FieldName != nil {
			s = s.field(*pe.FieldName)
		} else {
			s = s.element()
		}
	}
	return s
}
