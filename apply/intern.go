package apply

import (
	"crypto/sha256"
	"encoding/json"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// interned keeps one copy of each set of fields that managers own: the objects that
// a chart makes have the same ones in every release, and they are more than half of
// what an object takes. It is safe for concurrent use.
type interned struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]map[string]any
}

// mostInterned bounds the table. Sets that are in use stay, and are only not shared
// any more.
const mostInterned = 10_000

// transform is an informer's: it replaces an object's sets of fields by their
// shared copies.
func (t *interned) transform(o any) (any, error) {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return o, nil
	}
	entries, _ := stringMap(u.Object["metadata"])["managedFields"].([]any)
	for _, e := range entries {
		entry := stringMap(e)
		if fields, ok := entry["fieldsV1"].(map[string]any); ok {
			entry["fieldsV1"] = t.share(fields)
		}
	}
	return u, nil
}

func (t *interned) share(fields map[string]any) map[string]any {
	raw, err := json.Marshal(fields)
	if err != nil {
		return fields
	}
	key := sha256.Sum256(raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.all[key]; ok {
		return known
	}
	if t.all == nil || len(t.all) >= mostInterned {
		t.all = map[[sha256.Size]byte]map[string]any{}
	}
	t.all[key] = fields
	return fields
}
