package manifest

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// AsMap returns a value that is a map, and an empty one for any other.
func AsMap(v any) map[string]any {
	if m, ok := v.(map[string]any); ok {
		return m
	}
	return map[string]any{}
}

// With returns a map with what another one has, too; neither is changed.
func With(base, more map[string]any) map[string]any {
	out := make(map[string]any, len(base)+len(more))
	maps.Copy(out, base)
	maps.Copy(out, more)
	return out
}

// Find returns the object of an identity; nil if there is none.
func Find(objects []Object, id ID) *unstructured.Unstructured {
	for _, o := range objects {
		if o.ID() == id {
			return o.Unstructured
		}
	}
	return nil
}
