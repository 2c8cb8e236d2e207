package manifest

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Images lists the images that objects run, sorted, each once: what a chart calls its
// appVersion says nothing about them.
func Images(objects []Object) []string {
	out := []string{}
	for _, o := range objects {
		for _, path := range [][]string{
			{"spec", "template", "spec"},                        // workloads and Jobs
			{"spec", "jobTemplate", "spec", "template", "spec"}, // CronJobs
			{"spec"}, // Pods
		} {
			spec, ok, err := unstructured.NestedMap(o.Object, path...)
			if !ok || err != nil {
				continue
			}
			for _, list := range []string{"initContainers", "containers"} {
				containers, _, _ := unstructured.NestedSlice(spec, list) // what is no list runs nothing
				for _, c := range containers {
					if m, ok := c.(map[string]any); ok {
						if image, ok := m["image"].(string); ok && image != "" {
							out = append(out, image)
						}
					}
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// SplitImage returns the parts of an image's reference; those that it has not are empty.
func SplitImage(image string) (name, tag, digest string) {
	name, digest, _ = strings.Cut(image, "@")
	if at := strings.LastIndex(name, ":"); at > strings.LastIndex(name, "/") {
		name, tag = name[:at], name[at+1:]
	}
	return name, tag, digest
}

// ImageVersion splits an image's reference into its name and its version: the tag, or the
// beginning of the digest of one that has no tag.
func ImageVersion(image string) (name, version string) {
	name, tag, digest := SplitImage(image)
	if tag != "" {
		return name, tag
	}
	return name, digest[:min(len(digest), len("sha256:")+7)]
}
