package health

import (
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// counted returns an object with those counts of pods filled in that follow from others: a
// pod that is available is ready and there. Kubernetes' own controllers write them all;
// what copies their status, or stands in for them, does not.
func counted(live *unstructured.Unstructured) *unstructured.Unstructured {
	status, ok := live.Object["status"].(map[string]any)
	if !ok {
		return live
	}
	out := maps.Clone(status)
	infer := func(name string, from ...string) {
		if _, there := out[name]; there {
			return
		}
		most := int64(0)
		for _, other := range from {
			n, _ := generationOf(out[other])
			most = max(most, n)
		}
		if most > 0 {
			out[name] = most
		}
	}
	infer("readyReplicas", "availableReplicas")
	infer("replicas", "updatedReplicas", "readyReplicas", "currentReplicas")
	if live.GetKind() == "ReplicaSet" {
		infer("fullyLabeledReplicas", "availableReplicas")
	}
	if len(out) == len(status) {
		return live
	}
	object := maps.Clone(live.Object)
	object["status"] = out
	return &unstructured.Unstructured{Object: object}
}
