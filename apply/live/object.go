package live

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// cachedObject is an object as the live cache holds it: as text, which takes a fraction of
// what its maps take, with what is asked most often read out of it. The fields that
// managers own are cachedObject apart: the objects that a chart makes have the same ones in
// every release, and they are more than half of an object.
type cachedObject struct {
	metav1.ObjectMeta // name, namespace, UID and resource version only
	kind              schema.GroupVersionKind
	text              []byte           // without the fields that managers own
	packed            bool             // it is compressed
	fields            []map[string]any // those, in the managers' order, shared
	Hashes
}

// Hashes tell whether an object has changed since the agent's last write.
type Hashes struct {
	Ours          bool       // we own fields of it
	Live, Foreign drift.Hash // what we own, and what people's tools added
}

func hashesOf(u *unstructured.Unstructured) Hashes {
	hash, err := drift.Projection(u, ownership.FieldManager)
	return Hashes{Ours: err == nil, Live: hash, Foreign: drift.ForeignHash(u, ownership.FieldManager, ownership.Tools)}
}

func (k *cachedObject) id() manifest.ID {
	return manifest.ID{Group: k.kind.Group, Kind: k.kind.Kind, Namespace: k.Namespace, Name: k.Name}
}

// object reads the text. What managers own is shared and must not be modified.
func (k *cachedObject) object() (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{}
	text, err := k.unpacked()
	if err == nil {
		err = utiljson.Unmarshal(text, &u.Object)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s from the cache: %w", k.id(), err)
	}
	for i, entry := range managersOf(u) {
		if i < len(k.fields) && k.fields[i] != nil {
			entry["fieldsV1"] = k.fields[i]
		}
	}
	return u, nil
}

// largeText is from what size on an object is kept compressed: a template of a line can stand
// for a megabyte, in each of a thousand releases.
const largeText = 64 << 10

// pack compresses the text if it is large, and that makes it smaller.
func (k *cachedObject) pack() {
	if len(k.text) < largeText {
		return
	}
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(k.text)
	}
	if err == nil && w.Close() == nil && small.Len() < len(k.text) {
		k.text, k.packed = bytes.Clone(small.Bytes()), true
	}
}

func (k *cachedObject) unpacked() ([]byte, error) {
	if !k.packed {
		return k.text, nil
	}
	return io.ReadAll(flate.NewReader(bytes.NewReader(k.text)))
}

func managersOf(u *unstructured.Unstructured) []map[string]any {
	list, _ := manifest.AsMap(u.Object["metadata"])["managedFields"].([]any)
	out := make([]map[string]any, len(list))
	for i, e := range list {
		out[i] = manifest.AsMap(e)
	}
	return out
}

// transform is an informer's transform: it turns an object of a kind into what is kept
// of it.
func (t *interned) transform(kind schema.GroupVersionKind, namespace string) func(any) (any, error) {
	return func(o any) (any, error) {
		u, ok := o.(*unstructured.Unstructured)
		if !ok {
			return o, nil
		}
		k := &cachedObject{kind: kind, Hashes: hashesOf(u)}
		k.Name, k.Namespace, k.UID, k.ResourceVersion = u.GetName(), namespace, u.GetUID(), u.GetResourceVersion()
		entries := managersOf(u)
		k.fields = make([]map[string]any, len(entries))
		for i, entry := range entries {
			if fields, ok := entry["fieldsV1"].(map[string]any); ok {
				k.fields[i] = t.share(fields)
				delete(entry, "fieldsV1")
			}
		}
		var err error
		k.text, err = json.Marshal(u.Object)
		k.pack()
		return k, err
	}
}

// interned keeps one copy of each set of fields that managers own. It is safe for
// concurrent use.
type interned struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]map[string]any
}

// maxInterned bounds the table. Sets that are in use stay, and are only not shared
// any more.
const maxInterned = 10_000

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
	if t.all == nil || len(t.all) >= maxInterned {
		t.all = map[[sha256.Size]byte]map[string]any{}
	}
	t.all[key] = fields
	return fields
}
