package drift

import (
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// Merged returns what an object would be like if it were applied after self had taken
// over what some managers own, and some siblings: without what self would own alone then
// and does not want, and with all that it wants. The API server tells that only of an
// ownership that is there; this foretells it, with the lists' keys that managers own
// (see shape), so that what comes of it can be judged by the server as a change like
// any other. No given object is modified.
func Merged(live, want *unstructured.Unstructured, self string, heir func(manager, operation string) bool, gone []Sibling) *unstructured.Unstructured {
	out := live.DeepCopy()
	doomed := make([][]string, 0, len(gone))
	for _, s := range gone {
		doomed = append(doomed, s.pointer)
	}
	for _, p := range Dropped(live, want, self, heir) {
		doomed = append(doomed, p.pointer)
	}
	// The last elements of a list go first, so that the others keep their places.
	slices.SortFunc(doomed, func(a, b []string) int { return -comparePointers(a, b) })
	for _, p := range doomed {
		removeAt(out.Object, p)
	}
	out.Object, _ = overlay(out.Object, want.Object, shapeOf(live)).(map[string]any)
	return out
}

// Dropped lists what is not wanted of that which self alone would own if it took over
// what some managers own.
func Dropped(live, want *unstructured.Unstructured, self string, heir func(manager, operation string) bool) []Sibling {
	ours, others := &fieldpath.Set{}, &fieldpath.Set{}
	for _, o := range allOwnersOf(live) {
		if o.manager == self && o.operation == "Apply" || heir(o.manager, o.operation) {
			ours = ours.Union(o.set)
		} else {
			others = others.Union(o.set)
		}
	}
	wanted := shapeOf(live)
	var out []Sibling
	for _, p := range outermost(ours.Difference(others)) {
		f, ok := find(live, p)
		if !ok || hidden(f.Path) || wants(want.Object, p, wanted) {
			continue
		}
		out = append(out, Sibling{Path: f.Path, path: p, pointer: f.pointer, Owned: true})
	}
	return out
}

// wants reports whether an object has what a path of managedFields leads to.
func wants(v any, p fieldpath.Path, at shape) bool {
	for _, pe := range p {
		switch x := v.(type) {
		case map[string]any:
			if pe.FieldName == nil {
				return false
			}
			next, ok := x[*pe.FieldName]
			if !ok {
				return false
			}
			v, at = next, at.field(*pe.FieldName)
		case []any:
			i := slices.IndexFunc(x, func(e any) bool { return isAt(pe, e) })
			if pe.Key != nil {
				i = counterpart(x, keysIn(pe), at.keys())
			}
			if i < 0 {
				return false
			}
			v, at = x[i], at.element()
		default:
			return false
		}
	}
	return true
}

func keysIn(pe fieldpath.PathElement) map[string]any {
	out := map[string]any{}
	for _, k := range *pe.Key {
		out[k.Name] = k.Value.Unstructured()
	}
	return out
}

// removeAt removes what a pointer leads to, and what is empty for it.
func removeAt(v any, pointer []string) any {
	switch x := v.(type) {
	case map[string]any:
		if len(pointer) == 1 {
			delete(x, pointer[0])
			return x
		}
		before, ok := x[pointer[0]]
		if !ok {
			return x
		}
		if x[pointer[0]] = removeAt(before, pointer[1:]); isEmpty(x[pointer[0]]) {
			delete(x, pointer[0])
		}
		return x
	case []any:
		i, err := strconv.Atoi(pointer[0])
		if err != nil || i >= len(x) {
			return x
		}
		if len(pointer) == 1 {
			return slices.Delete(x, i, i+1)
		}
		x[i] = removeAt(x[i], pointer[1:])
		return x
	}
	return v
}

func isEmpty(v any) bool {
	switch x := v.(type) {
	case map[string]any:
		return len(x) == 0
	case []any:
		return len(x) == 0
	}
	return false
}

// overlay returns what is live with what is wanted over it.
func overlay(live, want any, at shape) any {
	switch w := want.(type) {
	case map[string]any:
		h, ok := live.(map[string]any)
		if !ok || at.whole() {
			return runtime.DeepCopyJSONValue(w)
		}
		out := maps.Clone(h)
		for k, v := range w {
			out[k] = overlay(h[k], v, at.field(k))
		}
		return out
	case []any:
		h, ok := live.([]any)
		if !ok {
			return runtime.DeepCopyJSONValue(w)
		}
		return overlayList(h, w, at)
	}
	return want
}

func overlayList(live, want []any, at shape) any {
	keys := at.keys()
	if len(keys) == 0 && !at.isSet() {
		return runtime.DeepCopyJSONValue(want)
	}
	out := slices.Clone(live)
	for _, e := range want {
		i := counterpart(out, e, keys)
		if at.isSet() {
			i = slices.IndexFunc(out, func(o any) bool { return same(o, e) })
		}
		if i < 0 {
			out = append(out, runtime.DeepCopyJSONValue(e))
			continue
		}
		out[i] = overlay(out[i], e, at.element())
	}
	return out
}
