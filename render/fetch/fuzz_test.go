package fetch

import (
	"reflect"
	"strings"
	"testing"
)

// What is cut out of an index says of the chart what the whole says.
func FuzzIndex(f *testing.F) {
	f.Add("apiVersion: v1\nentries:\n  web:\n  - urls: [web-1.0.0.tgz]\n    version: 1.0.0\n  other:\n  - urls: [o.tgz]\n    version: 1.0.0\n")
	f.Add("entries:\n  \"web\":\n    - description: |\n        web:\n        - x\n      urls:\n        - https://example.com/web.tgz\n      version: 2.0.0\n      digest: abc\ngenerated: x\n")
	f.Add("entries: {web: [{urls: [a], version: 1.0.0}]}\n")
	f.Add("entries:\n  web: &a\n  - urls: [a]\n    version: 1.0.0\n  b: *a\n")
	f.Add("entries:\n  web\":\n  - urls: [a]\n    version: 1.0.0\n")
	f.Fuzz(func(t *testing.T, text string) {
		cut, err := cutOut(strings.NewReader(text), "web")
		if err != nil {
			return
		}
		part, err := parseCut(cut, "web")
		if err != nil {
			return // the whole is read then
		}
		whole, err := parseEntries([]byte(text), "web")
		if err == nil && !reflect.DeepEqual(part, whole) {
			t.Errorf("the part says %+v\nthe whole %+v", part, whole)
		}
	})
}
