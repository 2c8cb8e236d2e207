package config

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// labels checks what environment.yaml labels its namespace with, as the API server does: it
// would refuse all of them together, and say no line.
func (l *checker) labels(labels map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		line, value := l.line("spec", "namespaceLabels", key), labels[key]
		if wrong := validation.IsQualifiedName(key); len(wrong) > 0 {
			l.refuse(line, "label %q of namespaceLabels: %s", key, strings.Join(wrong, "; "))
		}
		if wrong := validation.IsValidLabelValue(value); len(wrong) > 0 {
			l.refuse(line, "value %q of label %s of namespaceLabels: %s", value, key, strings.Join(wrong, "; "))
		}
		if key == "kubernetes.io/metadata.name" {
			l.refuse(line, "label %s of namespaceLabels is the API server's own: take it out", key)
		}
	}
}
