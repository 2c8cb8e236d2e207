package worker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
)

// checkValues checks values against the schemas of a chart and its dependencies.
func checkValues(ch *chart.Chart, values map[string]any) error {
	if err := localRefs(ch); err != nil {
		return err
	}
	if err := chartutil.ProcessDependenciesWithMerge(ch, values); err != nil {
		return err
	}
	all, err := chartutil.CoalesceValues(ch, values)
	if err != nil {
		return err
	}
	return chartutil.ValidateAgainstSchema(ch, all)
}

// localRefs refuses schemas that refer to files or the network: the validator
// would read them.
func localRefs(ch *chart.Chart) error {
	var schema any
	if len(ch.Schema) > 0 {
		if err := json.Unmarshal(ch.Schema, &schema); err != nil {
			return fmt.Errorf("chart %s: values.schema.json is not JSON: %w", ch.Name(), err)
		}
	}
	if ref := foreignRef(schema); ref != "" {
		return fmt.Errorf("chart %s: values.schema.json refers to %s: only references within the schema (#/…) are allowed", ch.Name(), ref)
	}
	for _, d := range ch.Dependencies() {
		if err := localRefs(d); err != nil {
			return err
		}
	}
	return nil
}

// drafts are the dialects that the validator brings.
var drafts = []string{"json-schema.org/draft-04/schema", "json-schema.org/draft-06/schema", "json-schema.org/draft-07/schema",
	"json-schema.org/draft/2019-09/schema", "json-schema.org/draft/2020-12/schema", "json-schema.org/schema"}

// foreignRef returns the first reference, by keys, that leads out of the schema.
func foreignRef(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if text, ok := v[k].(string); ok && !isLocal(k, text) {
				return text
			}
			if ref := foreignRef(v[k]); ref != "" {
				return ref
			}
		}
	case []any:
		for _, e := range v {
			if ref := foreignRef(e); ref != "" {
				return ref
			}
		}
	}
	return ""
}

func isLocal(key, text string) bool {
	switch key {
	case "$ref", "$dynamicRef", "$recursiveRef":
		return strings.HasPrefix(text, "#")
	case "$schema":
		_, dialect, _ := strings.Cut(strings.TrimSuffix(text, "#"), "://")
		return slices.Contains(drafts, dialect)
	}
	return true
}
