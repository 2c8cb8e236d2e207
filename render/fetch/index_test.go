package fetch

import (
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
