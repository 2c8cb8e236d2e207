package edit_test

import (
	"strings"
	"testing"

	"github.com/xetys/tether/render/edit"
)

type m = map[string]any
type l = []any

func TestPut(t *testing.T) {
	tests := []struct {
		name, text string
		path       []any
		value      any // or what removes
		want       string
	}{
		{"a number takes the place of a number", "replicas: 2 # some\n", l{"replicas"}, int64(3), "replicas: 3 # some\n"},
		{"a text in quotes becomes a number", "port: \"80\" # x\n", l{"port"}, 8080.0, "port: 8080 # x\n"},
		{"a boolean", "a: {b: true}\n", l{"a", "b"}, false, "a: {b: false}\n"},
		{"a text stays a text, with its quotes", "a: \"b\" # c\n", l{"a"}, "1", "a: \"1\" # c\n"},
		{"null", "a: b\n", l{"a"}, nil, "a: null\n"},
		{"a key without a value", "a:\nb: c\n", l{"a"}, int64(1), "a: 1\nb: c\n"},
		{"of a map the keys that differ are written", "a:\n  # one\n  b: 1\n  c: 2 # two\n", l{"a"}, m{"b": 1, "c": 3, "d": "e"}, "a:\n  # one\n  b: 1\n  c: 3 # two\n  d: e\n"},
		{"a key goes, with what is below it", "a: 1\nb:\n  c:\n  - d\n\n# e\ne: f\n", l{"b"}, remove, "a: 1\n\n# e\ne: f\n"},
		{"the last key of a map leaves it empty", "a: # x\n  b: c\nd: e\n", l{"a", "b"}, remove, "a: {} # x\nd: e\n"},
		{"the last key of a file", "a: b\n", l{"a"}, remove, ""},
		{"a key of a flow map goes", "a: {b: 1, c: [2, 3], d: 4} # x\n", l{"a", "c"}, remove, "a: {b: 1, d: 4} # x\n"},
		{"the last one of a flow map", "a: {b: 1, c: 'x, y'}\n", l{"a", "c"}, remove, "a: {b: 1}\n"},
		{"the only one of a flow map", "a: {b: 1}\n", l{"a", "b"}, remove, "a: {}\n"},
		{"an element is appended", "a:\n  - b # one\n  - c\nd: e\n", l{"a", 2}, "x", "a:\n  - b # one\n  - c\n  - x\nd: e\n"},
		{"an element is appended to what is not indented", "a:\n- b\nd: e\n", l{"a", 1}, m{"name": "x", "value": "y"}, "a:\n- b\n- name: x\n  value: \"y\"\nd: e\n"},
		{"an element in the midst of a list", "a:\n  - b\n  # three\n  - d\n", l{"a"}, l{"b", "c", "d"}, "a:\n  - b\n  - c\n  # three\n  - d\n"},
		{"an element at the beginning of a list", "a:\n  - b\n", l{"a"}, l{"x", "b"}, "a:\n  - x\n  - b\n"},
		{"an element of a flow list", "a: [b, c] # x\n", l{"a"}, l{"b", "x", "c"}, "a: [b, x, c] # x\n"},
		{"an element goes", "a:\n  - name: b\n    c: d\n  - name: e\n    f: g # h\n", l{"a", 0}, remove, "a:\n  - name: e\n    f: g # h\n"},
		{"the last element of a list leaves it empty", "a:\n  - b\nc: d\n", l{"a", 0}, remove, "a: []\nc: d\n"},
		{"elements change places", "a:\n  - b # one\n  - c # two\n", l{"a"}, l{"c", "b"}, "a:\n  - c # one\n  - b # two\n"},
		{"an element of an empty list", "a: [] # x\n", l{"a"}, l{m{"name": "b"}}, "a: # x\n  - name: b\n"},
		{"a map takes the place of a text", "a: b\nc: d\n", l{"a"}, m{"x": m{"y": 1}}, "a:\n  x:\n    \"y\": 1\nc: d\n"},
		{"a text takes the place of a map", "a:\n  b: c\nd: e\n", l{"a"}, "x", "a: x\nd: e\n"},
		{"a block of text is replaced by another", "a: |\n  b\n  c\nd: e\n", l{"a"}, "b\nx\n", "a: |\n  b\n  x\nd: e\n"},
		{"a text of several lines is new", "d: e\n", l{"a", "b"}, "x\ny\n", "d: e\na:\n  b: |\n    x\n    y\n"},
		{"the first key behind a dash goes", "a:\n  - b: 1\n    c: 2\n", l{"a", 0, "b"}, remove, "a:\n  - c: 2\n"},
		{"a map in a list gets a list", "r:\n  - name: web\n    chart: x # y\n  - name: app\n", l{"r", 0, "patches"}, l{m{"patch": "- op: a\n  b: c\n"}},
			"r:\n  - name: web\n    chart: x # y\n    patches:\n      - patch: |\n          - op: a\n            b: c\n  - name: app\n"},
		{"lines end as they do", "a:\r\n  - b\r\nc: d\r\n", l{"a", 1}, "x", "a:\r\n  - b\r\n  - x\r\nc: d\r\n"},
		{"a file without content", "# none\n", l{"a", "b"}, l{"c"}, "# none\na:\n  b:\n    - c\n"},
		{"JSON stays JSON", "{\"a\": {\"b\": 1}}", l{"a", "c"}, l{"x"}, "{\"a\": {\"b\": 1, \"c\": [\"x\"]}}"},
		{"an alias is left to people", "a: &x [b]\nc: *x\n", l{"c"}, l{"b", "d"}, "error: line 2: c is an alias"},
		{"so is an anchor", "a: &x\n  b: 1\nc: *x\n", l{"a", "b"}, 2, "error: line 1: a is an alias, or has an anchor"},
		{"a key that is not there can't go", "a: b\n", l{"c"}, remove, "error: there is no c"},
		{"an element that is not there can't go", "a: [b]\n", l{"a", 1}, remove, "error: there is no element 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := put(tt.text, tt.path, tt.value)
			if want, ok := strings.CutPrefix(tt.want, "error: "); ok {
				if err == nil || !strings.Contains(err.Error(), want) || got != nil {
					t.Fatalf("%q, %v; want an error with %q", got, err, want)
				}
				return
			}
			if err != nil || string(got) != tt.want {
				t.Fatalf("%v\n%s\nwant\n%s", err, got, tt.want)
			}
		})
	}
}

type removal struct{}

var remove = removal{}

func put(text string, path []any, value any) ([]byte, error) {
	if value == remove {
		return edit.Remove([]byte(text), path)
	}
	return edit.Put([]byte(text), path, value)
}

// Whatever the file is, Put and Remove write what they are to or nothing at all, and do
// not end the process.
func FuzzPut(f *testing.F) {
	for _, text := range []string{"image:\n  tag: v1 # x\n", "{image: {tag: 'b'}}", "image: &x {tag: *y}", "a: |\n b\nimage:\n- c\n", "image: [a, {b: c}]\r\n", "image:\n  - a: b\n  - c\n"} {
		f.Add(text, "v2", 0)
	}
	f.Fuzz(func(t *testing.T, text, value string, i int) {
		for _, path := range [][]any{{"image", "tag"}, {"image", i}} {
			for _, v := range []any{value, map[string]any{value: value}, []any{value, 1}, remove} {
				if out, err := put(text, path, v); err != nil && out != nil {
					t.Fatalf("%q and %v", out, err)
				}
			}
		}
	})
}
