package yamldoc_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/xetys/tether/render/yamldoc"
)

// laughs are aliases of aliases: the last stands for nine to the power of levels.
func laughs(levels int) string {
	out := "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
	for i := 1; i < levels; i++ {
		out += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	return out
}

// flat is one text of the given length, repeated.
func flat(length, times int) string {
	return "a: &a " + strings.Repeat("x", length) + "\nb: [" + strings.TrimSuffix(strings.Repeat("*a,", times), ",") + "]\n"
}

func TestWhatADocumentMayStandFor(t *testing.T) {
	for sentence, c := range map[string]struct{ text, want string }{
		"a small one":                        {"a: {b: [c, 1]}\n", ""},
		"aliases that repeat little":         {"a: &a {x: 1}\nb: *a\nc: {<<: *a}\n", ""},
		"many values without aliases":        {strings.Repeat("- a\n", 200_000), ""},
		"too long a text":                    {"a: " + strings.Repeat("x", 2<<20), "it has more than 1 MiB of YAML: split it"},
		"too many values":                    {strings.Repeat("- a\n", 260_000), "it holds more than 250000 values: split it"},
		"aliases of aliases":                 {laughs(9), "with what its aliases repeat it holds more than 250000 values: repeat less of it, or split it"},
		"aliases of a long text":             {flat(500_000, 50_000), "with what its aliases repeat it holds more than 4 MiB of values: repeat less of it, or split it"},
		"a key that is repeated":             {"? &a " + strings.Repeat("x", 500_000) + "\n: [" + strings.TrimSuffix(strings.Repeat("{*a : 1},", 100), ",") + "]\n", "more than 4 MiB of values"},
		"merges of what is merged":           {"a: &a {k: " + strings.Repeat("x", 100_000) + "}\nb: [" + strings.TrimSuffix(strings.Repeat("{<<: *a},", 100), ",") + "]\n", "more than 4 MiB of values"},
		"what holds itself":                  {"a: &a [*a]\n", "it nests more than 200 levels deep, or holds itself: make it flatter"},
		"lists in lists":                     {"a: " + strings.Repeat("[", 300) + strings.Repeat("]", 300), "it nests more than 200 levels deep"},
		"more lists in lists than are read":  {"a: " + strings.Repeat("[", 100_000), "exceeded max depth"},
		"an alias of nothing":                {"a: *b\nb: &c 1\n", "unknown anchor"},
		"what is no YAML":                    {"a: [", "yaml"},
		"what is no YAML, after its aliases": {laughs(4) + "b: [", "did not find expected node content"},
	} {
		t.Run(sentence, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			var into any
			err := yamldoc.File.Unmarshal([]byte(c.text), &into)
			runtime.ReadMemStats(&after)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("have %.300v\nwant %s", err, c.want)
			}
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 400 || time.Since(start) > 10*time.Second {
				t.Errorf("it took %d MiB and %s", took, time.Since(start))
			}
		})
	}
}

func TestWhatStandsThereStandsThere(t *testing.T) {
	const text = "a: &a {yes: on, m: 017, big: 12345678901}\nb: [*a, \"1\", ~]\nc: {<<: *a, m: 1}\n"
	raw, err := yamldoc.Small.JSON([]byte(text))
	if want := `{"a":{"big":12345678901,"m":15,"true":true},"b":[{"big":12345678901,"m":15,"true":true},"1",null],"c":{"big":12345678901,"m":1,"true":true}}`; err != nil || string(raw) != want {
		t.Errorf("have %s, %v\nwant %s", raw, err, want)
	}
}

// Whatever the text, reading it ends, and holds no more than it may.
func FuzzUnmarshal(f *testing.F) {
	f.Add(laughs(3))
	f.Add(flat(10, 10))
	f.Add("a: &a [*a]\n? {b: c}\n: {<<: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		var into any
		err := yamldoc.Small.Unmarshal([]byte(text), &into)
		var limit *yamldoc.LimitError
		if n := yamldoc.Count(into); err == nil && n > yamldoc.Small.Nodes || errors.As(err, &limit) && n > 1 {
			t.Errorf("%d values, %v", n, err)
		}
	})
}
