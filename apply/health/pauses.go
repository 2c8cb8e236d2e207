package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// holds is the answer on what a field of the spec stops.
func holds(live *unstructured.Unstructured, o Options, field, until string) Verdict {
	what := map[string]string{"paused": "paused", "suspend": "suspended"}[field]
	asked, by := askedFor(live, o, field)
	switch {
	case asked:
		return Verdict{State: Healthy, Field: "spec." + field, Reason: "it is " + what + ", as its manifest says"}
	case by != "":
		return Verdict{State: Progressing, Held: true, Field: "spec." + field, Reason: fmt.Sprintf("it was %s by %s, and not by its chart: %s", what, by, until)}
	}
	return Verdict{State: Progressing, Held: true, Field: "spec." + field, Reason: fmt.Sprintf("it is %s: %s", what, until)}
}

// askedFor reports whether the manifest asks for what a field of the spec, which is
// true, says: what was applied holds it, or who applied it owns it, or in the cluster
// nobody else does. Otherwise it names who does, if that is known.
func askedFor(live *unstructured.Unstructured, o Options, field string) (bool, string) {
	by := ""
	metadata, _ := live.Object["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any)
	for _, e := range entries {
		m, _ := e.(map[string]any)
		f, _ := m["fieldsV1"].(map[string]any)
		inner, _ := f["f:spec"].(map[string]any)
		if _, ok := inner["f:"+field]; !ok {
			continue
		}
		if o.Manager != "" && text(m["manager"]) == o.Manager {
			return true, ""
		}
		by = text(m["manager"])
	}
	if o.Applied != nil {
		on, _, _ := unstructured.NestedBool(o.Applied.Object, "spec", field)
		return on, by
	}
	return by == "" && !o.Now.IsZero(), by
}

// pauses are the fields of a spec that stop a controller.
var pauses = []string{"paused", "suspend", "suspended", "pause"}

// pausedByManifest reports whether the manifest asks for one of the pauses.
func pausedByManifest(live *unstructured.Unstructured, o Options) bool {
	for _, field := range pauses {
		if on, _, _ := unstructured.NestedBool(live.Object, "spec", field); on {
			asked, _ := askedFor(live, o, field)
			return asked
		}
	}
	return false
}
