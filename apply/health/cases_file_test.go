package health

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// TestAgreesWithCases judges the cases of a file, if TETHER_HEALTH_CASES names one, and prints where
// ours differ and a table by source: a JSON list of {source, name, want, object}, where want is a state, or
// "not healthy" for whoever knows no more than that.
func TestAgreesWithCases(t *testing.T) {
	path := os.Getenv("TETHER_HEALTH_CASES")
	if path == "" {
		t.Skip("TETHER_HEALTH_CASES names no file")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []struct {
		Source, Name string
		Want         State
		Object       json.RawMessage
	}
	if err := json.Unmarshal(raw, &all); err != nil || len(all) == 0 {
		t.Fatalf("%s: %d cases, %v", path, len(all), err)
	}
	table := map[string][4]int{}
	for _, c := range all {
		u := &unstructured.Unstructured{}
		if err := utiljson.Unmarshal(c.Object, &u.Object); err != nil {
			t.Fatalf("%s, %s: %v", c.Source, c.Name, err)
		}
		v := Of(u, Options{})
		at := answer(v.State, c.Want)
		if c.Want == "not healthy" {
			at = map[bool]int{false: 0, true: 1}[v.State == Healthy]
		}
		if at > 0 {
			t.Logf("%-9s %s, %s (%s of %s): %s, theirs %s: %s (%s, %s)", [4]string{"", "TOO EARLY", "STUCK", "other"}[at], c.Source, c.Name, u.GetKind(), u.GetAPIVersion(), v.State, c.Want, v.Reason, v.Rule, v.Field)
		}
		row, sum := table[c.Source], table["~ all"]
		row[at]++
		sum[at]++
		table[c.Source], table["~ all"] = row, sum
	}
	t.Logf("%-40s agree early stuck other", "")
	for _, source := range slices.Sorted(maps.Keys(table)) {
		t.Logf("%-40s %5d %5d %5d %5d", source, table[source][0], table[source][1], table[source][2], table[source][3])
	}
}
