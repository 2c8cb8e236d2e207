package drift_test

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/drift"
)

func read(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON([]byte(strings.Replace(string(raw), "{", `{"apiVersion":"v1","kind":"X",`, 1))); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAdopt(t *testing.T) {
	tests := []struct{ name, want, live, paths, adopted string }{
		{"a field is taken as it is live", `{a: {b: 1, c: 2}}`, `{a: {b: 3, c: 4}}`, "a.b", `{a: {b: 3, c: 2}}`},
		{"a field that is new, with what holds it", `{a: {}}`, `{x: {p: {z: 1, w: 2}}}`, "x.p.z", `{a: {}, x: {p: {z: 1}}}`},
		{"a field that is gone", `{a: {b: 1, c: 2}}`, `{a: {c: 2}}`, "a.b", `{a: {c: 2}}`},
		{"a key with dots", `{a: {"b.c/d": 1}}`, `{a: {"b.c/d": 2}}`, `a["b.c/d"]`, `{a: {"b.c/d": 2}}`},
		{"an element by its name", `{l: [{name: a, x: 1}, {name: b, x: 1}]}`, `{l: [{name: b, x: 2}, {name: a, x: 3}]}`, "l[name=b].x", `{l: [{name: a, x: 1}, {name: b, x: 2}]}`},
		{"an element that is new, behind the one before", `{l: [{name: a}, {name: c}]}`, `{l: [{name: a}, {name: b, x: 1}, {name: c}]}`, "l[name=b]", `{l: [{name: a}, {name: b, x: 1}, {name: c}]}`},
		{"an element that is new, before all others", `{l: [{name: c}]}`, `{l: [{name: b}, {name: c}]}`, "l[name=b]", `{l: [{name: b}, {name: c}]}`},
		{"an element by several fields", `{l: [{port: 1, x: 1}, {port: 2, protocol: UDP}]}`, `{l: [{port: 1, protocol: TCP, x: 5}, {port: 2, protocol: UDP}]}`, "l[port=1,protocol=TCP].x", `{l: [{port: 1, x: 5}, {port: 2, protocol: UDP}]}`},
		{"elements by their places", `{l: [a, b, c]}`, `{l: [a, c]}`, "l[1] l[2]", `{l: [a, c]}`},
		{"an element of a set", `{l: [a]}`, `{l: [a, b]}`, `l["b"]`, `{l: [a, b]}`},
		{"an element that is gone", `{l: [{name: a}, {name: b}]}`, `{l: [{name: b}]}`, "l[name=a]", `{l: [{name: b}]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := drift.Adopt(read(t, tt.want), read(t, tt.live), strings.Fields(tt.paths))
			if err != nil {
				t.Fatal(err)
			}
			have, _ := json.Marshal(got.Object)
			want, _ := json.Marshal(read(t, tt.adopted).Object)
			if string(have) != string(want) {
				t.Fatalf("%s\nwant %s", have, want)
			}
		})
	}
}

func TestWhoOwnsAListAsAWholeOwnsItsElements(t *testing.T) {
	live := read(t, `{args: [a, c]}`)
	live.Object["metadata"] = map[string]any{"managedFields": []any{map[string]any{"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-27T14:02:00Z", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:args": map[string]any{}}}}}
	got := drift.Compare(live, read(t, `{args: [a, b]}`))
	if len(got) == 0 || got[len(got)-1].Path != "args[1]" && got[0].Path != "args[1]" || got[0].Manager != "kubectl-edit" {
		t.Fatalf("%+v", got)
	}
}
