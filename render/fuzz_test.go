package render

import (
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render/sops"
)

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
