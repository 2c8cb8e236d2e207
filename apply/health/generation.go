package health

import (
	"fmt"
	"math"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// observed says that the controller has not seen what was applied last, by the
// generation that it says it saw. That may be a number, or a string of digits; a
// hash (Argo Rollouts before 1.0) says nothing.
func observed(live *unstructured.Unstructured) (Verdict, bool) {
	want := generation(live)
	status, _ := live.Object["status"].(map[string]any)
	seen, ok := generationOf(status["observedGeneration"])
	field := "status.observedGeneration"
	if !ok {
		// Some keep it a level deeper, beside what they say of it.
		for _, name := range sorted(status) {
			inner, _ := status[name].(map[string]any)
			if seen, ok = generationOf(inner["observedGeneration"]); ok && seen < want {
				field = "status." + name + ".observedGeneration"
				break
			}
			ok = false
		}
	}
	if !ok || seen >= want || seen < 0 { // -1: it never got that far, and says why elsewhere
		return Verdict{}, false
	}
	return Verdict{State: Progressing, Rule: "observed generation", Field: field,
		Reason: stale(live, seen)}, true
}

func stale(live *unstructured.Unstructured, seen int64) string {
	return fmt.Sprintf("%s generation is %d, but latest observed generation is %d", live.GetKind(), generation(live), seen)
}

// generation is the object's own; a file may have read it as a fraction.
func generation(live *unstructured.Unstructured) int64 {
	metadata, _ := live.Object["metadata"].(map[string]any)
	n, _ := generationOf(metadata["generation"])
	return n
}

// generationOf reads a generation in every form that it has.
func generationOf(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return int64(v), v == math.Trunc(v)
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil && len(v) < 12
	}
	return 0, false
}
