package edit_test

import (
	"strings"
	"testing"

	"github.com/xetys/tether/render/edit"
)

func TestSet(t *testing.T) {
	tests := []struct {
		name, text string
		path       []any
		value      string
		want       string // or an error's text, with "error: " before it
	}{
		{"a plain value is replaced, and its comment stays", "image:\n  tag: v1 # the tag\n", []any{"image", "tag"}, "v2", "image:\n  tag: v2 # the tag\n"},
		{"quotes stay", "tag: \"v1\"\n", []any{"tag"}, "v2", "tag: \"v2\"\n"},
		{"single quotes stay", "tag: 'it''s' # x\n", []any{"tag"}, "o'clock", "tag: 'o''clock' # x\n"},
		{"a text that YAML takes for a number gets quotes", "tag: v1\n", []any{"tag"}, "1.10", "tag: \"1.10\"\n"},
		{"so does one that it takes for a boolean", "tag: v1\n", []any{"tag"}, "true", "tag: \"true\"\n"},
		{"so does a date", "tag: v1\n", []any{"tag"}, "2026-11-27", "tag: \"2026-11-27\"\n"},
		{"a number is replaced by a text", "tag: 1.10\n", []any{"tag"}, "1.11", "tag: \"1.11\"\n"},
		{"a flow map is changed in place", "image: {repository: a, tag: v1}\n", []any{"image", "tag"}, "v2", "image: {repository: a, tag: v2}\n"},
		{"a missing key of a flow map is added", "image: {repository: a} # x\n", []any{"image", "tag"}, "v2", "image: {tag: v2, repository: a} # x\n"},
		{"and of an empty one", "image: {}\n", []any{"image", "tag"}, "v2", "image: {tag: v2}\n"},
		{"a missing key goes to the end of its map", "image:\n  repository: a\n\n  # pull\n  pullPolicy: Always\n\nreplicas: 2\n", []any{"image", "tag"}, "v2", "image:\n  repository: a\n\n  # pull\n  pullPolicy: Always\n  tag: v2\n\nreplicas: 2\n"},
		{"a missing map goes to the end of the file", "replicas: 2\n", []any{"image", "tag"}, "v2", "replicas: 2\nimage:\n  tag: v2\n"},
		{"after a block of text", "a: |\n  b\n\n  c\n", []any{"tag"}, "v2", "a: |\n  b\n\n  c\ntag: v2\n"},
		{"after a list at the key's own indentation", "args:\n- a\n- b\n", []any{"tag"}, "v2", "args:\n- a\n- b\ntag: v2\n"},
		{"a file without a newline at its end gets one", "replicas: 2", []any{"tag"}, "v2", "replicas: 2\ntag: v2\n"},
		{"an empty file gets the key", "", []any{"image", "tag"}, "v2", "image:\n  tag: v2\n"},
		{"so does one with comments alone", "# nothing yet\n", []any{"tag"}, "v2", "# nothing yet\ntag: v2\n"},
		{"a key without a value gets one", "image:\n  tag: # none\n  a: b\n", []any{"image", "tag"}, "v2", "image:\n  tag: v2 # none\n  a: b\n"},
		{"a map without keys gets one", "image:\nreplicas: 2\n", []any{"image", "tag"}, "v2", "image:\n  tag: v2\nreplicas: 2\n"},
		{"null is replaced", "tag: null\n", []any{"tag"}, "v2", "tag: v2\n"},
		{"a map that is null", "image: ~ # x\n", []any{"image", "tag"}, "v2", "image: {tag: v2} # x\n"},
		{"an element of a list", "releases:\n  - {name: a}\n  - name: b\n    values: {tag: v1}\n", []any{"releases", 1, "values", "tag"}, "v2", "releases:\n  - {name: a}\n  - name: b\n    values: {tag: v2}\n"},
		{"a map in a list gets its key", "list:\n  - name: a\n    b: c\n  - name: d\n", []any{"list", 0, "tag"}, "v2", "list:\n  - name: a\n    b: c\n    tag: v2\n  - name: d\n"},
		{"lines end as they do", "a: b\r\nc: d\r\n", []any{"tag"}, "v2", "a: b\r\nc: d\r\ntag: v2\r\n"},
		{"text before it is not ASCII", "ä: {ü: x, tag: v1}\n", []any{"ä", "tag"}, "v2", "ä: {ü: x, tag: v2}\n"},
		{"JSON stays JSON", `{"image": {"repository": "a"}}`, []any{"image", "tag"}, "v2", `{"image": {"tag": "v2", "repository": "a"}}`},
		{"an alias is left to people", "a: &x v1\ntag: *x\n", []any{"tag"}, "v2", "error: line 2: tag is an alias"},
		{"so is an anchor", "tag: &x v1\nb: *x\n", []any{"tag"}, "v2", "error: line 1: tag has an anchor or a tag"},
		{"so is what merges a map", "a: &a\n  b: c\nd:\n  <<: *a\n", []any{"d", "tag"}, "v2", "a: &a\n  b: c\nd:\n  <<: *a\n  tag: v2\n"},
		{"so is a block", "tag: |\n  v1\n", []any{"tag"}, "v2", "error: line 1: tag is a block of text"},
		{"a map is no value", "tag: {a: b}\n", []any{"tag"}, "v2", "error: line 1: tag is no single value"},
		{"a value is no map", "image: nginx\n", []any{"image", "tag"}, "v2", "error: line 1: image is no map"},
		{"two documents are left to people", "a: b\n---\nc: d\n", []any{"a"}, "v2", "error: more than one document"},
		{"what is no YAML is refused", "a: [\n", []any{"a"}, "v2", "error: no YAML"},
		{"a list without the element", "a: [b]\n", []any{"a", 3}, "v2", "error: a has no element 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := edit.Set([]byte(tt.text), tt.path, tt.value)
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

// Whatever the file is, Set changes one value or nothing at all, and does not end the
// process.
func FuzzSet(f *testing.F) {
	for _, text := range []string{"image:\n  tag: v1 # x\n", "{a: {tag: 'b'}}", "image: &x {tag: *y}", "a: |\n b\nimage:\n- c\n", "image:\r\n", "\"image\": !!str v1\n"} {
		f.Add(text, "v2")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		out, err := edit.Set([]byte(text), []any{"image", "tag"}, value)
		if err == nil && len(out) == 0 {
			t.Fatalf("%q became nothing", text)
		}
	})
}
