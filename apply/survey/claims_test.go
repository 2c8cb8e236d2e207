package survey

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/quota"
	"github.com/xetys/tether/render/manifest"
)

// What a chart asks for is compared with what there is in this process: no number takes it
// any time.
func TestQuantitiesThatNoClusterHas(t *testing.T) {
	claim := func(size string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim",
			"spec": map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": size}}}}}
	}
	for text, is := range map[string]bool{
		"1Gi": true, "500m": true, "1e3": true, "1E": true, "1Ei": true, "12E6": true, "-1": true, "1e-3": true, "1e100": true,
		"1e-2000000000": false, "1E2000000000": false, "1e99999999999999999999": false, "0." + strings.Repeat("0", 1_000_000) + "1": false, "e": false, "": false,
	} {
		start := time.Now()
		if _, err := manifest.Quantity(text); (err == nil) != is {
			t.Errorf("%.30q: %v", text, err)
		}
		if want := claim(text); !claims(manifest.Object{Unstructured: want}) || grown(want, claim("1Gi")) == nil {
			t.Errorf("%.30q: no claim is left", text)
		}
		_, _ = quota.FreedBy(claim(text), quota.Amounts{"requests.storage": {}}), quota.Takes(claim(text), schema.GroupResource{Resource: "persistentvolumeclaims"}, "requests.storage")
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%.30q took %s", text, took)
		}
	}
}
