package render

import (
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render/sops"
)

// Whatever environment.yaml holds, it is read to an end, and what is accepted is
// the environment of that name.
func FuzzEnvironment(f *testing.F) {
	const good = "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n"
	f.Add([]byte(good + "  releases: [{name: web, chart: web, dependsOn: [db]}, {name: db, chart: /web, timeout: 5m, verify: [{url: http://a, expect: {body: a, json: {a: [1]}}}]}]\n"))
	f.Add([]byte(good + "  deployWindows: [{kind: deny, schedule: 0 9 * * MON-FRI, duration: 8h, timezone: Europe/Berlin}]\n  pruneBudget: 10%\n"))
	f.Add([]byte(good + "  ignore: [{kind: A, name: a-*, paths: [/a~1b]}]\n  namespaceLabels: {a: &a b, c: *a}\n---\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		files := fstest.MapFS{"environments/prod/environment.yaml": {Data: raw}, "web/Chart.yaml": {}}
		env, err := LoadEnvironment(files, "prod")
		if err != nil {
			if err.Error() == "" {
				t.Error("refused without a word")
			}
			return
		}
		if env.Name != "prod" || env.Namespace == "" {
			t.Errorf("accepted: %+v", env)
		}
	})
}

// Whatever files of values hold, merging them ends; values that are merged with
// themselves stay what they are, and the last ones win.
func FuzzValues(f *testing.F) {
	f.Add([]byte("a: {b: 1, c: [1, 2]}"), []byte("a: {b: {d: null}}\ne: *f"))
	f.Add([]byte("a: &a {b: 1}\nc: {<<: *a, b: 2}"), []byte("a: null"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		files := fstest.MapFS{"a": {Data: a}, "b": {Data: b}}
		r, p, in := NewRenderer(Config{}), &Prepared{}, &inputs{keys: &sops.Keys{}}
		read := func(name string) (map[string]any, error) {
			l, err := r.file(t.Context(), files, p, name, in)
			return l.values, err
		}
		first, err := read("a")
		if err != nil {
			return
		}
		if both := MergeValues(first, first); !reflect.DeepEqual(both, first) {
			t.Errorf("merged with itself: %v, not %v", both, first)
		}
		second, err := read("b")
		if err != nil {
			return
		}
		merged := MergeValues(first, second)
		for k, v := range second {
			_, am := first[k].(map[string]any)
			_, bm := v.(map[string]any)
			if !(am && bm) && !reflect.DeepEqual(merged[k], v) {
				t.Errorf("%s is %v, not %v", k, merged[k], v)
			}
		}
	})
}
