package fetch

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// What is cut out of an index says of the chart what the whole index says.
func TestCutOutOfAnIndex(t *testing.T) {
	t.Parallel()
	const db = "  db:\n  - {name: db, version: 9.0.0, urls: [db.tgz]}\n"
	const web = "  web:\n  - name: web\n    version: 1.0.0\n    description: |\n      web:\n      - none\n\n      # more\n    urls:\n    - web.tgz\n  - name: web\n    version: 2.0.0\n    urls: [web2.tgz]\n"
	for sentence, c := range map[string]struct {
		text string
		want string
	}{
		"as Helm writes it":            {"apiVersion: v1\nentries:\n" + db + web + "generated: \"x\"\n", "2.0.0 1.0.0"},
		"the first":                    {"apiVersion: v1\nentries:\n" + web + db, "2.0.0 1.0.0"},
		"a name in quotes":             {"entries:\n" + db + strings.Replace(web, "  web:", `  "web":`, 1), "2.0.0 1.0.0"},
		"lists that are indented":      {"entries:\n    db:\n      - {version: 3.0.0, urls: [x]}\n    web:\n      - {version: 1.0.0, urls: [x]}\n", "1.0.0"},
		"Windows' line ends":           {"entries:\r\n  web:\r\n  - version: 1.0.0\r\n    urls: [x]\r\n", "1.0.0"},
		"comments":                     {"entries:\n# all\n" + db + "# web\n" + web, "2.0.0 1.0.0"},
		"no such chart":                {"entries:\n" + db, ""},
		"one whose name begins so":     {"entries:\n  web-app:\n  - {version: 1.0.0, urls: [x]}\n", ""},
		"a name outside of entries":    {"entries:\n" + db + "other:\n  web:\n  - {version: 1.0.0, urls: [x]}\n", ""},
		"no entries":                   {"entries: {}\n", ""},
		"what is no version":           {"entries:\n  web:\n  - {version: new, urls: [x]}\n  - {version: 1.0.0, urls: [x]}\n", "1.0.0"},
		"a version that has no file":   {"entries:\n  web:\n  - {version: 2.0.0}\n  - {version: 1.0.0, urls: [x]}\n", "1.0.0"},
		"one on a line":                {"entries:\n  web: [{version: 1.0.0, urls: [x]}]\n", "1.0.0"},
		"an index that is JSON in all": {`{"entries":{"web":[{"version":"1.0.0","urls":["x"]}]}}`, "1.0.0"},
	} {
		t.Run(sentence, func(t *testing.T) {
			c1 := &connection{host: "example.com"}
			list, err := c1.read(strings.NewReader(c.text), "web")
			var have []string
			for _, e := range list {
				have = append(have, e.Version)
			}
			if strings.Join(have, " ") != c.want || (err == nil) != (c.want != "") {
				t.Errorf("%v, %v; want %s", have, err, c.want)
			}
		})
	}
}

// A large index takes no more than the part of it that is read.
func TestALargeIndexIsCutFirst(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("entries:\n")
	for b.Len() < 30<<20 {
		b.WriteString("  other:\n")
		for range 1000 {
			b.WriteString("  - {name: other, version: 1.0.0, urls: [x], description: " + strings.Repeat("long ", 200) + "}\n")
		}
	}
	without := b.String()
	b.WriteString("  web:\n  - {name: web, version: 1.0.0, urls: [x]}\n")
	c := &connection{host: "example.com"}
	if list, err := c.read(strings.NewReader(b.String()), "web"); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := c.read(strings.NewReader(without), "web"); err == nil || !strings.Contains(err.Error(), "does not list web") {
		t.Errorf("%v", err)
	}
}

// However an index is made, it takes little memory to be read.
func TestAnIndexTakesLittleMemory(t *testing.T) {
	many := func(versions int, more string) string {
		var b strings.Builder
		b.WriteString("entries:\n  web:\n")
		for i := range versions {
			fmt.Fprintf(&b, "  - version: 1.0.%d\n    urls: [a.tgz]\n%s", i, more)
		}
		return b.String()
	}
	for name, c := range map[string]struct {
		text, why string
	}{
		"five thousand versions":      {many(5000, "    keywords: [a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a]\n"), ""},
		"versions without an end":     {many(200_000, ""), "it lists more than 10000 versions"},
		"a version without an end":    {many(1, "") + "  - version: 2.0.0\n    urls: [" + strings.Repeat("a,", 400<<10) + "a]\n", ""},
		"an entry on one line":        {"entries: {web: [{version: 1.0.0, urls: [" + strings.Repeat("a,", 4<<20-100) + "a]}]}", "not line by line"},
		"an entry on one long line":   {"entries:\n  web: [{version: 1.0.0, urls: [" + strings.Repeat("a,", 400<<10) + "a]}]\n", "not line by line"},
		"aliases of aliases":          {"a: &a [" + strings.Repeat("x,", 1000) + "]\nb: &b [" + strings.Repeat("*a,", 1000) + "]\nentries: {web: []}\nc: [" + strings.Repeat("*b,", 1000) + "]", "with what its aliases repeat it holds more than 20000 values"},
		"aliases of a long text":      {"entries:\n  web:\n  - version: 1.0.0\n    urls: [a]\n    x: &x " + strings.Repeat("x", 100_000) + "\n    y: [" + strings.Repeat("*x,", 10_000) + "*x]\n", "with what its aliases repeat it holds more than 512 KiB of values"},
		"JSON of too many versions":   {`{"entries": {"web": [` + strings.Repeat(`{},`, 2<<20) + `{}]}}`, "it lists more than 10000 versions"},
		"JSON":                        {`{"entries": {"other": [` + strings.Repeat(`{},`, 1<<20) + `{}], "web": [{"version": "1.0.0", "urls": ["a"]}]}}`, ""},
		"an error that quotes it all": {"entries: [" + strings.Repeat("\x1b", 1000), "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			list, err := (&connection{host: "example.com"}).read(strings.NewReader(c.text), "web")
			runtime.ReadMemStats(&after)
			if c.why == "" && (err != nil || len(list) == 0) || c.why != "" && (err == nil || !strings.Contains(err.Error(), c.why)) {
				t.Errorf("%d versions, %v; want %q", len(list), err, c.why)
			}
			if err != nil && (len(err.Error()) > 2000 || strings.Contains(err.Error(), "\x1b")) {
				t.Errorf("%q", err.Error())
			}
			if grown := int64(after.HeapSys-after.HeapReleased) - int64(before.HeapSys-before.HeapReleased); grown > 96<<20 {
				t.Errorf("it took %d MiB", grown>>20)
			}
		})
	}
}
