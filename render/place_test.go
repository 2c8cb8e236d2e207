package render_test

import (
	"strings"
	"testing"

	"github.com/xetys/tether/render"
)

// Each value that a schema refuses is told with where it stands: in the last file that
// sets it, in environment.yaml, or in the chart.
func TestWhereAValueStandsThatASchemaRefuses(t *testing.T) {
	const good = "  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [values.yaml, more.yaml]}"
	const inline = "  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      values:\n        - values.yaml\n        - size: big"
	schema := func(text string) string { return "-- charts/web/values.schema.json --\n" + text + "\n" }
	values := func(text string) string { return "-- environments/prod/values.yaml --\n" + text }
	more := func(text string) string { return "-- environments/prod/more.yaml --\n" + text }
	number := schema(`{"properties": {"size": {"type": "integer"}, "web": {"properties": {"size": {"type": "integer"}}}, "list": {"items": {"properties": {"num": {"type": "integer"}}}}}}`)
	for sentence, c := range map[string]struct{ text, want string }{
		"a value":                          {environment(good) + number + values("# sizes\nsize: big\n") + more("{}\n"), "environments/prod/values.yaml:2:7: release web: web: - at '/size': got string, want integer"},
		"one that a later file sets again": {environment(good) + number + values("size: 1\n") + more("a: b\nsize: big\n"), "environments/prod/more.yaml:2:7: "},
		"one that a later file is not about": {environment(good) + number + values("web:\n  size: big\n") + more("web:\n  color: red\n"),
			"environments/prod/values.yaml:2:9: "},
		"an element of a list":          {environment(good) + number + values("list:\n  - num: 1\n  - num: x\n") + more("{}\n"), "environments/prod/values.yaml:3:10: "},
		"a value of an alias":           {environment(good) + number + values("base: &b\n  size: big\nweb: *b\n") + more("{}\n"), "environments/prod/values.yaml:2:9: "},
		"a value that is merged":        {environment(good) + number + values("base: &b\n  size: big\nweb:\n  <<: *b\n") + more("{}\n"), "environments/prod/values.yaml:2:9: "},
		"one that environment.yaml has": {environment(inline) + number, "environments/prod/environment.yaml:11:17: "},
		"the chart's own default":       {environment(good) + number + values("a: b\n") + more("{}\n") + "-- charts/web/values.yaml --\n\nsize: big\n", "charts/web/values.yaml:2:7: release web: web: - at '/size': got string, want integer; the value is the chart's default, in line 2 of its values.yaml"},
		"a map that lacks a key":        {environment(good) + schema(`{"properties": {"web": {"required": ["size"]}}}`) + values("a: b\nweb:\n  color: red\n") + more("{}\n"), "environments/prod/values.yaml:2:1: release web: web: - at '/web': missing property 'size'"},
		"values that lack a key":        {environment(good) + schema(`{"required": ["size"]}`) + values("a: b\n") + more("# nothing\n"), "environments/prod/values.yaml:1:1: release web: web: - at '': missing property 'size'"},
		"a key that is none":            {environment(good) + schema(`{"properties": {"a": {}, "global": {}}, "additionalProperties": false}`) + values("a: b\nsiez: 1\n") + more("{}\n"), "environments/prod/values.yaml:2:7: release web: web: - at '': additional properties 'siez' not allowed"},
		"a dependency's value": {environment(good) + values("db:\n  size: big\n") + more("{}\n") +
			"-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\n-- charts/web/charts/db/Chart.yaml --\napiVersion: v2\nname: db\nversion: 1.0.0\n-- charts/web/charts/db/values.schema.json --\n{\"properties\": {\"size\": {\"type\": \"integer\"}}}\n",
			"environments/prod/values.yaml:2:9: release web: db: - at '/size': got string, want integer"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, _, err := prepareAll(repo(t, c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestSeveralValuesAreSeveralProblems(t *testing.T) {
	const good = "  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [values.yaml]}"
	_, _, err := prepareAll(repo(t, environment(good)+"-- environments/prod/values.yaml --\nb: x\na: y\n-- charts/web/values.schema.json --\n{\"properties\": {\"a\": {\"type\": \"integer\"}, \"b\": {\"type\": \"integer\"}}}\n"))
	found := render.ProblemsOf(err)
	if len(found) != 2 || found[0].Line != 1 || found[0].Column != 4 || found[1].Line != 2 || found[1].File != "environments/prod/values.yaml" {
		t.Errorf("%+v", found)
	}
}

// What is wrong with a template is told with the template's file in the repository.
func TestWhereATemplateFails(t *testing.T) {
	const good = "  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [values.yaml]}"
	_, _, err := prepareAll(repo(t, environment(good)+"-- charts/web/templates/x.yaml --\na: 1\nb: {{ fail \"because\" }}\n"))
	found := render.ProblemsOf(err)
	if len(found) != 1 || found[0].File != "charts/web/templates/x.yaml" || found[0].Line != 2 || found[0].Column != 6 || !strings.Contains(found[0].Message, "because") {
		t.Errorf("%+v", found)
	}
	_, _, err = prepareAll(repo(t, environment(good)+"-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: \">=9.0.0\"\n"))
	if found = render.ProblemsOf(err); len(found) != 1 || found[0].File != "environments/prod/environment.yaml" || found[0].Line != 7 {
		t.Errorf("%+v", found)
	}
}
