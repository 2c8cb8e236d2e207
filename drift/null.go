package drift

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// WithoutNulls returns an object without the explicit nulls at paths that the API
// server complains of, and whether there are any. A custom resource may mean something
// by a null: only its schema, which the server has, tells where it means "not set". The
// given object is not modified.
func WithoutNulls(want *unstructured.Unstructured, complaints []string) (*unstructured.Unstructured, bool) {
	at := map[string]bool{}
	for _, c := range complaints {
		at[anyIndex(c)] = true
	}
	out, dropped := withoutNulls(want.Object, "", at)
	m, _ := out.(map[string]any)
	return &unstructured.Unstructured{Object: m}, dropped
}

func withoutNulls(v any, path string, at map[string]bool) (any, bool) {
	dropped := false
	switch x := v.(type) {
	case map[string]any:
		x = maps.Clone(x)
		for _, k := range keysOf(x, nil) {
			next := k
			if path != "" {
				next = path + "." + k
			}
			if x[k] == nil && at[next] {
				delete(x, k)
				dropped = true
				continue
			}
			below, some := withoutNulls(x[k], next, at)
			x[k], dropped = below, dropped || some
		}
		return x, dropped
	case []any:
		x = slices.Clone(x)
		for i, e := range x {
			below, some := withoutNulls(e, path+"[*]", at)
			x[i], dropped = below, dropped || some
		}
		return x, dropped
	}
	return v, false
}
