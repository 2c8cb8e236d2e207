package drift

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Hash identifies what a projection holds: half of a SHA-256, which is enough to
// tell one object's states apart.
type Hash [sha256.Size / 2]byte

// ErrNotOurs says that a manager owns nothing of an object.
var ErrNotOurs = errors.New("the manager owns no field of the object")

// Projection hashes what manager self owns of an object by server-side apply:
// which fields, and their values. Two objects with the same projection are the
// same in all that self applied; the reverse need not hold. It works on the whole
// of what lies below a field that is owned, and on metadata that self may own.
func Projection(live *unstructured.Unstructured, self string) (Hash, error) {
	tree := Applied(live, self)
	if tree == nil {
		return Hash{}, ErrNotOurs
	}
	raw, err := json.Marshal([]any{tree, project(tree, live.Object)})
	if err != nil {
		return Hash{}, err
	}
	sum := sha256.Sum256(raw)
	return Hash(sum[:len(Hash{})]), nil
}

// Applied returns the fields that a manager owns by server-side apply, as the
// server wrote them down (FieldsV1); nil if there are none. It must not be modified.
func Applied(live *unstructured.Unstructured, manager string) map[string]any {
	for _, m := range managersOf(live) {
		if m["manager"] == manager && m["operation"] == string(metav1.ManagedFieldsOperationApply) && (m["subresource"] == nil || m["subresource"] == "") {
			tree, _ := m["fieldsV1"].(map[string]any)
			return tree
		}
	}
	return nil
}

// managersOf reads the managed fields as they are: GetManagedFields converts them
// all, which costs more than anything else that is done on an event.
func managersOf(live *unstructured.Unstructured) []map[string]any {
	meta, _ := live.Object["metadata"].(map[string]any)
	list, _ := meta["managedFields"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// project keeps of a value what a managedFields tree names. Below a list it
// keeps every element whole: an element of a list is found by keys whose types
// only the schema knows, and more than needed is never a false "same".
func project(tree map[string]any, v any) any {
	m, ok := v.(map[string]any)
	if !ok || len(tree) == 0 {
		return v
	}
	out := map[string]any{}
	for key, below := range tree {
		name, ok := strings.CutPrefix(key, "f:")
		if !ok {
			continue
		}
		held, present := m[name]
		if !present {
			continue
		}
		sub, _ := below.(map[string]any)
		out[name] = project(sub, held)
	}
	return out
}
