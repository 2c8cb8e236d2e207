package manifest

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// builtIn are the groups of Kubernetes' own kinds that have a dot.
var builtIn = map[string]bool{
	"admissionregistration.k8s.io": true, "apiextensions.k8s.io": true, "apiregistration.k8s.io": true, "authentication.k8s.io": true,
	"authorization.k8s.io": true, "certificates.k8s.io": true, "coordination.k8s.io": true, "discovery.k8s.io": true, "events.k8s.io": true,
	"flowcontrol.apiserver.k8s.io": true, "internal.apiserver.k8s.io": true, "networking.k8s.io": true, "node.k8s.io": true,
	"rbac.authorization.k8s.io": true, "resource.k8s.io": true, "scheduling.k8s.io": true, "storage.k8s.io": true, "storagemigration.k8s.io": true,
}

// IsBuiltIn reports whether a group is one of Kubernetes' own.
func IsBuiltIn(group string) bool {
	for _, r := range group {
		if r == '.' {
			return builtIn[group]
		}
	}
	return true
}

// texts are maps in which null is an empty text, as Helm leaves it at an install.
var texts = map[string]bool{"data": true, "binaryData": true, "stringData": true}

// unset takes away the fields of an object that are explicitly null: they say that
// nothing is set. Server-side apply would have them set to nothing, and held to it. In a
// custom resource a null may mean something, which only its schema tells: there the
// metadata alone is looked at.
func unset(u *unstructured.Unstructured) {
	if !IsBuiltIn(u.GroupVersionKind().Group) {
		if meta, ok := u.Object["metadata"].(map[string]any); ok {
			dropNulls(meta)
		}
		return
	}
	text := u.GetKind() == "ConfigMap" || u.GetKind() == "Secret"
	for k, v := range u.Object {
		if v == nil {
			delete(u.Object, k)
		} else if !text || !texts[k] {
			dropNulls(v)
		}
	}
}

// dropNulls takes away keys without a value; an element of a list keeps its place.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if e == nil {
				delete(v, k)
			} else {
				dropNulls(e)
			}
		}
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}
