package render_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// peakOf runs something and returns how much memory was allocated meanwhile.
func peakOf(do func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// copies are operations each of which doubles what there is.
func copies(n int) string {
	out := "{op: add, path: /data, value: {x: [0123456789012345678901234567890123456789]}}"
	for range n {
		out += ", {op: copy, from: /data/x, path: /data/x/-}"
	}
	return out
}

const configMap = "-- charts/web/templates/x.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: b}\n"

// What a repository can hold to take time or memory is refused, with a sentence,
// before it took much of this process.
func TestWhatIsHostileIsRefused(t *testing.T) {
	const good = "  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [values.yaml]}"
	laughs := "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
	for i := 1; i < 10; i++ {
		laughs += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	nested := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for sentence, c := range map[string]struct{ text, want string }{
		"an environment.yaml that is too large":   {environment(good) + "# " + strings.Repeat("x", 2<<20) + "\n", "environments/prod/environment.yaml: can't be read: it is too large: more than 1024 KiB"},
		"an environment.yaml of aliases":          {environment(good) + laughs, "environments/prod/environment.yaml: with what its aliases repeat it holds more than 250000 values"},
		"an environment.yaml that repeats a text": {environment(good) + "x: &x " + strings.Repeat("x", 500_000) + "\ny: [" + strings.Repeat("*x, ", 50_000) + "*x]\n", "environments/prod/environment.yaml: with what its aliases repeat it holds more than 4 MiB of values: repeat less of it, or split it"},
		"an environment.yaml of small values":     {environment(good) + "x: [" + strings.Repeat("1,", 400_000) + "1]\n", "environments/prod/environment.yaml: it holds more than 250000 values: split it"},
		"inline values that repeat a text":        {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      values: {x: &x " + strings.Repeat("x", 500_000) + ", y: [" + strings.Repeat("*x, ", 50_000) + "*x]}"), "environments/prod/environment.yaml: with what its aliases repeat it holds more than 4 MiB"},
		"releases that repeat a release":          {environment("  namespace: prod\n  releases:\n    - &r {name: web, chart: charts/web, values: {x: [" + strings.Repeat("1,", 100_000) + "1]}}" + strings.Repeat("\n    - *r", 1000)), "environments/prod/environment.yaml: with what its aliases repeat it holds more than 250000 values"},
		"patches of aliases":                      {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      patches:\n        - target: {kind: Service}\n          patch: |\n            x: &x " + strings.Repeat("x", 50_000) + "\n            y: [" + strings.Repeat("*x, ", 20_000) + "*x]"), "environments/prod/environment.yaml:11: a patch: with what its aliases repeat it holds more than 512 KiB of values"},
		"too many operations":                     {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      patches:\n        - target: {kind: Service}\n          patch: '[" + strings.Repeat("{op: remove, path: /a},", 1001) + "]'"), "environments/prod/environment.yaml:11: a patch: it has 1001 operations, more than 1000"},
		"copies of copies":                        {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      patches:\n        - target: {kind: ConfigMap}\n          patch: '["+copies(26)+"]'") + configMap, "release web: environments/prod/environment.yaml:11: the patch of ConfigMap prod/web fails: it makes more than 3 MiB of it, which no API server takes: copy or add less"},
		"a patch of many objects":                 {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      patches:\n        - target: {kind: ConfigMap}\n          patch: '[{op: add, path: /data/x, value: "+strings.Repeat("x", 400_000)+"}]'") + "-- charts/web/templates/x.yaml --\n{{ range until 200 }}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x{{ . }}}\ndata: {a: b}\n{{ end }}\n", "environments/prod/environment.yaml:11: the patch makes the release's objects larger than 32 MiB: make it about fewer objects, or split the release"},
		"a regular expression that counts":        {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      verify:\n        - url: http://a\n          expect: {body: '" + strings.Repeat("(ab{1000})", 3000) + "'}"), "expect.body of a check: with its repetitions written out it has"},
		"many that count":                         {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      verify:\n" + strings.Repeat("        - {url: 'http://a', expect: {body: 'a{900}'}}\n", 1000)), "and 100000 in all of an environment"},
		"a list of too many files of values":      {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      values: [" + strings.Repeat("values.yaml, ", 101) + "values.yaml]"), "environments/prod/environment.yaml:9: values of a release list 102 files and maps, more than 100"},
		"values that repeat a text":               {environment(good) + "-- environments/prod/values.yaml --\na: &a " + strings.Repeat("x", 500_000) + "\nb: [" + strings.Repeat("*a, ", 50_000) + "*a]\n", "environments/prod/values.yaml: with what its aliases repeat it holds more than 4 MiB of values: repeat less of it, or split it"},
		"a Chart.yaml that repeats a text":        {environment(good) + "-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\nannotations: {a: &a " + strings.Repeat("x", 200_000) + ", b: *a, c: *a, d: *a, e: *a, f: *a}\n", "chart charts/web of release web: its Chart.yaml and Chart.lock, with those of the charts in it, hold more than 1 MiB: write less into them"},
		"a Chart.lock that repeats a text":        {environment(good) + "-- charts/web/Chart.lock --\ndependencies: []\ngenerated: \"2026-01-01T00:00:00Z\"\ndigest: &a " + strings.Repeat("x", 500_000) + "\nx: [" + strings.Repeat("*a, ", 50_000) + "*a]\n", "chart charts/web of release web: "},
		"a text that is put into lists of lists":  {release("valuesFrom: [{kind: ConfigMap, name: x, key: x, targetPath: 'a" + strings.Repeat("[65536]", 140) + "'}]"), "its lists would have more than 1000 elements"},
		"a text that is put into long lists":      {release("valuesFrom: [{kind: ConfigMap, name: x, key: x, targetPath: 'a" + strings.Repeat("[65536].b", 29) + "'}]"), "its lists would have more than 1000 elements"},
		"a text that is put deep down":            {release("valuesFrom: [{kind: ConfigMap, name: x, key: x, targetPath: 'a" + strings.Repeat("[0]", 100_000) + "'}]"), "of valuesFrom: it has 300001 characters, more than 1000"},
		"a text that is put into a list of words": {release("valuesFrom: [{kind: ConfigMap, name: x, key: x, targetPath: 'a[b]'}]"), "[b] is no element of a list"},
		"an environment.yaml that nests":          {environment(good) + "  ignore: " + nested, "exceeded max depth"},
		"a check that expects aliases of aliases": {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      verify:\n        - url: http://a\n          expect:\n            json:\n              " + strings.ReplaceAll(laughs, "\n", "\n              ")), "with what its aliases repeat it holds more than 250000 values"},
		"values that are too large":               {environment(good) + "-- environments/prod/values.yaml --\na: " + strings.Repeat("x", 2<<20) + "\n", "environments/prod/values.yaml: can't be read: it is too large"},
		"values of aliases of aliases":            {environment(good) + "-- environments/prod/values.yaml --\n" + laughs, "environments/prod/values.yaml: with what its aliases repeat it holds more than 250000 values"},
		"values that nest":                        {environment(good) + "-- environments/prod/values.yaml --\na: " + nested, "exceeded max depth"},
		"a Chart.yaml of aliases of aliases":      {environment(good) + "-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\n" + laughs, "document contains excessive aliasing"},
		"a chart's values of aliases of aliases":  {environment(good) + "-- charts/web/values.yaml --\n" + laughs, "document contains excessive aliasing"},
		"a chart's values that nest":              {environment(good) + "-- charts/web/values.yaml --\na: " + nested, "exceeded max depth"},
		"a rendered object of aliases of aliases": {environment(good) + "-- charts/web/templates/x.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n" + laughs, "document contains excessive aliasing"},
		"a CRD of aliases of aliases":             {environment(good) + "-- charts/web/crds/x.yaml --\n" + laughs, "document contains excessive aliasing"},
		"a chart with a file that is too large":   {environment(good) + "-- charts/web/x --\n" + strings.Repeat("x", 21<<20) + "\n", "it has more than 10000 files and folders or 20 MiB"},
		"templates that need more memory":         {environment(good) + "-- charts/web/templates/x.yaml --\n{{ until 2000000000 }}\n", "environments/prod/environment.yaml:7: release web: running its templates needs more than"},
		"a schema that needs more memory":         {environment(good) + "-- charts/web/values.schema.json --\n{\"properties\": {\"a\": {\"pattern\": \"" + strings.Repeat("(x{500}){2}", 30_000) + "\"}}}\n", "release web: "},
		"a dependency that is a bomb":             {environment(good) + "-- charts/web/charts/a.tgz --\nnone\n", "chart charts/web of release web: in charts/web/charts/a.tgz: it is no packed chart"},
	} {
		t.Run(sentence, func(t *testing.T) {
			files := repo(t, c.text)
			var err error
			took := peakOf(func() { _, _, err = prepareAll(files) })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %.300v\nwant %s", err, c.want)
			}
			if took > 400<<20 {
				t.Errorf("this process allocated %d MiB", took>>20)
			}
		})
	}
}

// Values that are small one by one are bounded together.
func TestValuesAreBoundedTogether(t *testing.T) {
	text := "  namespace: prod\n  releases:\n"
	for i := range 40 {
		text += fmt.Sprintf("    - {name: web-%d, chart: charts/web, values: [values.yaml]}\n", i)
	}
	files := repo(t, environment(text)+"-- environments/prod/values.yaml --\nb: "+strings.Repeat("x", 1_000_000)+"\n")
	if _, _, err := prepareAll(files); err == nil || !strings.Contains(err.Error(), "release web-17: the values of this environment's releases are larger than 16 MiB together") {
		t.Errorf("%v", err)
	}
}

// Charts that refer to charts that refer to charts are counted, and not followed
// without end.
func TestDependenciesThatMultiplyAreRefused(t *testing.T) {
	files := fstest.MapFS{}
	for level := range 9 {
		meta := fmt.Sprintf("apiVersion: v2\nname: c%d\nversion: 1.0.0\ndependencies:\n", level)
		for i := range 20 {
			meta += fmt.Sprintf("  - {name: d%d, version: 1.0.0, repository: file://../c%d}\n", i, level+1)
		}
		files[fmt.Sprintf("charts/c%d/Chart.yaml", level)] = &fstest.MapFile{Data: []byte(meta)}
	}
	files["charts/c9/Chart.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: v2\nname: c9\nversion: 1.0.0\n")}
	files["environments/prod/environment.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n  releases: [{name: web, chart: charts/c0}]\n")}
	_, _, err := prepareAll(files)
	if err == nil || !strings.Contains(err.Error(), "with its dependencies it has more than 100 charts or 50 MiB") {
		t.Errorf("%.300v", err)
	}
}

// crowd is a repository with any number of files and environments that it makes up
// when it is asked.
type crowd struct {
	fs.FS
	asked int
}

func (c *crowd) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "environments" || name == "charts/web/many" {
		out := make([]fs.DirEntry, 1_000_000)
		for i := range out {
			out[i] = one{name: fmt.Sprintf("e%07d", i), dir: name == "environments"}
		}
		return out, nil
	}
	return fs.ReadDir(c.FS, name)
}

func (c *crowd) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "charts/web/many/") {
		c.asked++
		return c.FS.Open("charts/web/many/one")
	}
	return c.FS.Open(name)
}

type one struct {
	fs.DirEntry
	name string
	dir  bool
}

func (e one) Name() string { return e.name }
func (e one) IsDir() bool  { return e.dir }
func (e one) Type() fs.FileMode {
	if e.dir {
		return fs.ModeDir
	}
	return 0
}

func TestAMillionFilesAreRefused(t *testing.T) {
	c := &crowd{FS: repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web}")+"-- charts/web/many/one --\n")}
	if _, err := config.Environments(c); err == nil || !strings.Contains(err.Error(), "environments: it has more than 1000 folders") {
		t.Errorf("%v", err)
	}
	_, _, err := prepareAll(c)
	if err == nil || !strings.Contains(err.Error(), "it has more than 10000 files and folders or 20 MiB") {
		t.Errorf("%v", err)
	}
	if c.asked > 10_000 {
		t.Errorf("%d files were read", c.asked)
	}
}

// A release that takes too much is told from one that is wrong, and one that was
// not rendered at all from both.
func TestWhatIsWrongIsTold(t *testing.T) {
	const good = "  namespace: prod\n  releases:\n    - {name: web, chart: charts/web}"
	_, _, err := prepareAll(repo(t, environment(good)+"-- charts/web/templates/x.yaml --\n{{ until 2000000000 }}\n"))
	var wrong *render.RenderError
	if !errors.As(err, &wrong) || !render.ExceedsLimits(err) {
		t.Errorf("too much: %v", err)
	}
	_, _, err = prepareAll(repo(t, environment(good)+"-- charts/web/templates/x.yaml --\n{{ fail \"a\" }}\n"))
	if !errors.As(err, &wrong) || render.ExceedsLimits(err) {
		t.Errorf("a mistake: %v", err)
	}
	files := repo(t, environment(good))
	env, err := render.LoadEnvironment(files, "prod")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var problems config.Problems
	if _, err := render.NewRenderer(render.Config{}).Prepare(ctx, files, env, env.Releases[0]); err == nil || errors.As(err, &problems) {
		t.Errorf("it was not tried: %v", err)
	}
}
