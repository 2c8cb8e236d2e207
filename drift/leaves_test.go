package drift_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/xetys/tether/drift"
)

func TestLeavesHaveThePathsOfDrift(t *testing.T) {
	var object map[string]any
	if err := json.Unmarshal([]byte(`{"kind":"Pod","metadata":{"annotations":{"a.b/c":"x"},"resourceVersion":"1"},"spec":{"args":["-v","-v","x"],"empty":{},
		"containers":[{"name":"web","ports":[{"containerPort":80}]},{"name":"side"}]},"status":{"phase":"Running"}}`), &object); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range drift.Leaves(object) {
		got = append(got, fmt.Sprintf("%s | %s | %v", l.Path, l.Key, l.Steps))
	}
	want := `kind | kind | [kind]
metadata.annotations["a.b/c"] | metadata.annotations["a.b/c"] | [metadata annotations a.b/c]
spec.args[0] | spec.args[="-v"#0] | [spec args 0]
spec.args[1] | spec.args[="-v"#1] | [spec args 1]
spec.args[2] | spec.args[="x"#0] | [spec args 2]
spec.containers[name=web].name | spec.containers[name=web].name | [spec containers 0 name]
spec.containers[name=web].ports[0].containerPort | spec.containers[name=web].ports[0].containerPort | [spec containers 0 ports 0 containerPort]
spec.containers[name=side].name | spec.containers[name=side].name | [spec containers 1 name]
spec.empty | spec.empty | [spec empty]`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}
