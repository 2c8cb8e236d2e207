package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lostVersions returns the versions of a kind that a change would stop to serve.
// That a stored version or the scope stays is the API server's own rule
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/).
func lostVersions(c Change) []string {
	if c.ID.GroupKind() != DefinitionKind || c.Action != Update {
		return nil
	}
	kept := servedVersions(c.DryRun)
	var lost []string
	for _, v := range servedVersions(c.Live) {
		if !slices.Contains(kept, v) {
			lost = append(lost, v)
		}
	}
	return lost
}

func servedVersions(definition *unstructured.Unstructured) []string {
	var out []string
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, v := range versions {
		m, _ := v.(map[string]any)
		if name, ok := m["name"].(string); ok && m["served"] == true {
			out = append(out, name)
		}
	}
	return out
}
