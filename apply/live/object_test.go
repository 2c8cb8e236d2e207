package live

import (
	"crypto/rand"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// What is held of an object is what the object was, and no more than has to be.
func TestWhatIsHeldOfAnObject(t *testing.T) {
	noise := make([]byte, 256<<10)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	kind := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	for name, c := range map[string]struct {
		text string
		most int
	}{
		"a small one":             {"x", 512},
		"a megabyte of one line":  {strings.Repeat("line\n", 200_000), 16 << 10},
		"what can't be made less": {hex.EncodeToString(noise), 512<<10 + 512},
	} {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
			"metadata": map[string]any{"name": "x", "namespace": "alpha", "resourceVersion": "1"}, "data": map[string]any{"a": c.text}}}
		want := u.DeepCopy()
		out, err := (&interned{}).transform(kind, "alpha")(u)
		if err != nil {
			t.Fatal(err)
		}
		k := out.(*cachedObject)
		have, err := k.object()
		if err != nil || !reflect.DeepEqual(have, want) {
			t.Errorf("%s: it is not what it was: %v", name, err)
		}
		if len(k.text) > c.most {
			t.Errorf("%s: %d bytes are held, more than %d", name, len(k.text), c.most)
		}
	}
}
