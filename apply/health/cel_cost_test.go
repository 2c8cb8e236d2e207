package health

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A single call is over before CEL counts it: none takes much more memory or time than what it
// reads, whatever texts the object has.
func TestNoSingleCallTakesMuch(t *testing.T) {
	u := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{
		"few": strings.Repeat("n", 1000), "many": strings.Repeat("n", 15_000), "long": strings.Repeat("a", 600_000), "needle": strings.Repeat("a", 300_000) + "b",
		"pattern": strings.Repeat("a?", 100_000), "format": strings.Repeat("%s", 1000), "wide": "%.999999999f",
	}}}
	vars := variables(u)
	for _, text := range []string{
		"['%s%s%s%s%s%s%s%s'].map(f, f.format([" + strings.Repeat("data.long,", 7) + "data.long]))[0].size() > 0",
		"data.format.format(data.many.split('').map(c, data.long)).size() > 0",
		"data.long.indexOf(data.needle) < 0",
		"data.long.indexOf(data.needle, 1) < 0",
		"data.long.lastIndexOf(data.needle) < 0",
		"data.long.lastIndexOf(data.needle, 500000) < 0",
		"data.many.split('').map(c, data.long).join('').size() > 0",
		"data.many.split('').map(c, data.long).join().size() > 0",
		"data.many.split('').map(c, data.many.split('').map(d, data.long).join()).size() > 0",
		"data.few.split('').map(c, data.long).join().size() > 0",
		"data.wide.format([1.0]).size() > 0",
		"data.many.split('').map(c, strings.quote(data.long)).size() > 0",
		"data.many.split('').map(c, data.long.upperAscii()).size() > 0",
		"data.many.split('').map(c, data.long.reverse()).size() > 0",
		"data.many.split('').map(c, data.long.substring(1)).size() > 0",
		"data.many.split('').map(c, bytes(data.long)).size() > 0",
		"data.many.split('').map(c, string(bytes(data.long))).size() > 0",
		"data.many.split('').map(c, data.long + c).size() > 0",
		"data.many.split('').map(c, data.long.replace('a', 'bb')).size() > 0",
		"data.many.split('').map(c, data.long.split('')).size() > 0",
		"'x'.matches(data.pattern)",
		"data.long.matches('" + strings.Repeat("(a{1000})?", 50) + "b')",
		"data.many.split('').all(c, data.long == data.long + '')",
		"data.many.split('').all(c, data.long.contains(data.needle))",
		"data.many.split('').all(c, data.long < data.needle || true)",
		"data.many.split('').all(c, data.long.startsWith(data.long))",
		"data.many.split('').all(c, data.long.endsWith(data.long))",
		"data.many.split('').all(c, !(data.long in data))",
		"data.many.split('').all(c, timestamp(data.long) == timestamp(data.long)) || true",
		"data.many.split('').all(c, int(data.long) == 1) || true",
		"data.many.split('').map(c, {data.long: data.long}).size() > 0",
		"data.many.split('').map(c, [data.long].join()).size() > 0",
		"data.many.split('').map(c, '%s'.format([data])).size() > 0",
		"data.many.split('').map(c, '%s'.format([[data.long]])).size() > 0",
		"data.many.split('').map(c, data.long.charAt(3)).size() > 0",
		"data.many.split('').map(c, data.long.trim()).size() > 0",
		"data.many.split('').all(c, duration(data.long) == duration(data.long)) || true",
		"data.many.split('').map(c, type(data.long)).size() > 0",
		"data.many.split('').map(c, data.long.lowerAscii()).size() > 0",
		"sets.contains([data.long], data.many.split('').map(c, data.long))",
		"math.greatest(data.many.split('').map(c, 1)) > 0",
	} {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		p, err := compile(text)
		if err == nil {
			_, err = p.eval(vars)
		}
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		allocated := (after.TotalAlloc - before.TotalAlloc) >> 20
		t.Logf("%6d MiB %9s %.60s: %.100v", allocated, took.Round(time.Millisecond), text, err)
		if allocated > 64 || took > 10*time.Second {
			t.Errorf("%.80s takes %d MiB and %s", text, allocated, took)
		}
	}
}
