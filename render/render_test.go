package render_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/xetys/tether/render"
)

// repo is a repository from a txtar text; a chart "web" is always there.
func repo(t testing.TB, text string) fs.FS {
	t.Helper()
	const base = `
-- charts/web/Chart.yaml --
apiVersion: v2
name: web
version: 1.0.0
-- charts/web/templates/c.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {a: {{ .Values.a | default "none" | quote }}}
-- environments/prod/values.yaml --
a: one
`
	files := fstest.MapFS{}
	for _, part := range []string{base, text} {
		for _, f := range txtar.Parse([]byte(part)).Files {
			files[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o600}
		}
	}
	return files
}

// environment is an environment.yaml with the given lines of spec.
func environment(spec string) string {
	return "-- environments/prod/environment.yaml --\napiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n" + spec + "\n"
}

// prepareAll loads and prepares everything of environment prod and renders it.
func prepareAll(files fs.FS) ([]*render.Prepared, string, error) {
	env, err := render.LoadEnvironment(files, "prod")
	if err != nil {
		return nil, "", err
	}
	r := render.NewRenderer(render.Config{})
	var all []*render.Prepared
	var text strings.Builder
	for _, spec := range env.Releases {
		p, err := r.Prepare(context.Background(), files, env, spec)
		if err != nil {
			return nil, "", err
		}
		rel, err := r.Render(context.Background(), p, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)})
		if err != nil {
			return nil, "", err
		}
		all = append(all, p)
		text.WriteString(render.Text(rel))
	}
	return all, text.String(), nil
}

func TestWhatIsRefused(t *testing.T) {
	const good = "  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [values.yaml]}"
	for sentence, c := range map[string]struct{ text, want string }{
		"an unknown field of spec":           {environment(good + "\n  drifts: correct"), `environments/prod/environment.yaml:8: unknown field "drifts"`},
		"an unknown field of a release":      {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      depends: [x]"), `environments/prod/environment.yaml:9: unknown field "depends"`},
		"a pattern that is long":             {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      patches: [{target: {kind: " + strings.Repeat("a", 257) + "}, patch: '[{op: remove, path: /data}]'}]"), "a pattern of its target has more than 256 characters"},
		"a pattern that is counted":          {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      patches: [{target: {name: 'a{1000}'}, patch: '[{op: remove, path: /data}]'}]"), "has a counted repetition, which is not taken"},
		"too many releases":                  {environment("  namespace: prod\n  releases: [" + strings.Repeat("{name: web, chart: charts/web},", 2001) + "]"), "environments/prod/environment.yaml:6: the environment has 2001 releases, more than 2000: split it"},
		"a window without an end":            {environment(good + "\n  deployWindows:\n    - {kind: allow, schedule: 0 9 * * *}"), `environments/prod/environment.yaml:9: duration "" of a deploy window: use a duration like 8h, up to 744h`},
		"more windows than can be weighed":   {environment(good + "\n  deployWindows:" + strings.Repeat("\n    - {kind: deny, schedule: 0 9 * * *, duration: 1h}", 51)), `environments/prod/environment.yaml:9: deployWindows has 51 windows: up to 50 can be read`},
		"a window that is no time":           {environment(good + "\n  deployWindows:\n    - {kind: allow, schedule: at nine, duration: 8h}"), `environments/prod/environment.yaml:9: schedule "at nine" of a deploy window: use five cron fields`},
		"a window of a zone of its own":      {environment(good + "\n  deployWindows:\n    - {kind: deny, schedule: 0 9 * * *, duration: 8h, timezone: Mars}"), `timezone "Mars" of a deploy window: use a name like Europe/Berlin`},
		"a promotion from nowhere":           {environment(good + "\n  promote: {from: dev, after: 1h, via: commit}"), `environments/prod/environment.yaml:8: promote.from is "dev": the repository has no such environment`},
		"a promotion from itself":            {environment(good + "\n  promote: {from: prod, after: 1h, via: commit}"), `environments/prod/environment.yaml:8: promote.from goes in a circle: [prod prod]`},
		"a promotion without a time":         {environment(good + "\n  promote: {from: prod, via: commit}"), `promote.after "": use how long`},
		"a promotion by hand":                {environment(good + "\n  promote: {from: prod, after: 1h, via: hand}"), `environments/prod/environment.yaml:8: promote.via is "hand": use commit`},
		"a promotion of nothing":             {environment(good + "\n  promote: {from: prod, after: 1h, via: commit, releases: [nobody]}"), `promote.releases: the environment has no release nobody`},
		"a budget that is no share":          {environment(good + "\n  pruneBudget: \"12\""), `environments/prod/environment.yaml:8: pruneBudget "12": use a share of the environment's objects`},
		"a check that leaves its Service":    {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, verify: [{service: {name: web, port: http, path: /../../../secrets}}]}"), `environments/prod/environment.yaml:7: service of a check: its path leads away from the Service: leave out the .. in "/../../../secrets"`},
		"a release's namespace that is none": {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, namespace: '*'}"), `environments/prod/environment.yaml:7: namespace "*" of release web: use lower-case letters, digits and dashes, 63 at the most`},
		"a check of two kinds":               {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, verify: [{test: true, url: http://web}]}"), `environments/prod/environment.yaml:7: a check has exactly one of url, service and test`},
		"a check that asks nobody":           {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, verify: [{url: /healthz}]}"), `url "/healthz" of a check: use http:// or https:// and a host`},
		"a check of no port":                 {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, verify: [{service: {name: web}}]}"), `service of a check: it needs a name and a port`},
		"a check whose pattern is none":      {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, verify: [{url: http://web, expect: {body: \"(\"}}]}"), `expect.body of a check: error parsing regexp`},
		"a release that is listed twice":     {environment(good + "\n    - {name: web, chart: charts/web}"), "environments/prod/environment.yaml:8: release web is listed twice, first in line 7"},
		"a name that does not fit":           {environment("  namespace: prod\n  releases:\n    - {name: Web_1, chart: charts/web}"), `environments/prod/environment.yaml:7: release name "Web_1"`},
		"a name with two dots in a row":      {environment("  namespace: prod\n  releases:\n    - {name: web..a, chart: charts/web}"), `environments/prod/environment.yaml:7: release name "web..a"`},
		"a name that ends with a dot":        {environment("  namespace: prod\n  releases:\n    - {name: web., chart: charts/web}"), `environments/prod/environment.yaml:7: release name "web."`},
		"a name that is too long":            {environment("  namespace: prod\n  releases:\n    - {name: a.123456789012345678901234567890123456789012345678901.b, chart: charts/web}"), `53 at the most, as Helm does`},
		"another folder's name":              {strings.Replace(environment(good), "name: prod", "name: other", 1), `environments/prod/environment.yaml:3: metadata.name is "other": it must equal the folder's name, "prod"`},
		"another version of the document":    {strings.Replace(environment(good), "cloud/v1", "cloud/v9", 1), `environments/prod/environment.yaml:1: apiVersion is "tether.stytex.cloud/v9"`},
		"a namespace that is missing":        {environment("  releases: []"), `spec.namespace is ""`},
		"a timeout without a unit":           {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, timeout: \"10\"}"), `environments/prod/environment.yaml:7: timeout "10" of release web: use a duration like 10m`},
		"a grace without a unit":             {environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      graces:\n        crashLoop: \"10\""), `environments/prod/environment.yaml:10: graces.crashLoop "10" of release web: use a duration like 10m`},
		"a grace that is none":               {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, graces: {imagePull: 0s}}"), `environments/prod/environment.yaml:7: graces.imagePull "0s" of release web: use a duration like 10m`},
		"a grace for something else":         {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, graces: {oom: 1m}}"), `environments/prod/environment.yaml:7: unknown field "oom"`},
		"retries without end":                {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, retries: 1000}"), `environments/prod/environment.yaml:7: retries 1000 of release web: use 0 to 10`},
		"a word that is none of the choices": {environment(good + "\n  drift: ignore"), `spec.drift is "ignore": use correct, report or strict`},
		"a dependency that is not listed":    {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, dependsOn: [db]}"), "environments/prod/environment.yaml:7: release web depends on db, which is not listed"},
		"a release that depends on itself":   {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, dependsOn: [web]}"), "cycle: web → web"},
		"a chart that is not there":          {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/wbe}"), "environments/prod/environment.yaml:7: chart charts/wbe of release web does not exist"},
		"a chart outside of the repository":  {environment("  namespace: prod\n  releases:\n    - {name: web, chart: ../../etc}"), "environments/prod/environment.yaml:7: chart ../../etc leaves the repository"},
		"values outside of the repository":   {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [../../../etc/passwd]}"), "values file ../../../etc/passwd leaves the repository"},
		"values that are not there":          {environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [valeus.yaml]}"), "environments/prod/environment.yaml:7: values file valeus.yaml does not exist (looked for environments/prod/valeus.yaml)"},
		"values that are no map":             {environment(good) + "-- environments/prod/values.yaml --\n[a, b]\n", "environments/prod/values.yaml: is not a map of values"},
		"a rule of ignore without paths":     {environment(good + "\n  ignore: [{kind: Deployment}]"), "environments/prod/environment.yaml:8: a rule of ignore needs a kind and paths"},
		"a path that is no JSON pointer":     {environment(good + "\n  ignore: [{kind: Deployment, paths: [spec.replicas]}]"), `path "spec.replicas" of a rule of ignore: use a JSON pointer`},
		"a pattern that can't match":         {environment(good + "\n  ignore: [{kind: Deployment, name: \"[\", paths: [/spec]}]"), `name "[" of a rule of ignore: use a name, or a pattern`},
		"values that SOPS encrypted":         {environment(good) + "-- environments/prod/values.yaml --\na: ENC[x]\nsops: {mac: x}\n", "environments/prod/values.yaml: can't be decrypted: its sops metadata can't be read"},
		"values that break the schema":       {environment(good) + "-- charts/web/values.schema.json --\n{\"properties\": {\"a\": {\"type\": \"integer\"}}}\n", "environments/prod/values.yaml:1:4: release web: web: - at '/a': got string, want integer"},
		"a schema that reads files":          {environment(good) + "-- charts/web/values.schema.json --\n{\"properties\": {\"a\": {\"$ref\": \"file:///etc/passwd\"}}}\n", "values.schema.json refers to file:///etc/passwd"},
		"a schema that reaches out":          {environment(good) + "-- charts/web/values.schema.json --\n{\"allOf\": [{\"$ref\": \"https://example.com/s.json\"}]}\n", "values.schema.json refers to https://example.com/s.json"},
		"a dependency that is not vendored":  {environment(good) + "-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: db, version: 1.0.0}]\n", "its dependency db: it is not in the chart's charts/ folder, and has no repository"},
		"a dependency that leaves":           {environment(good) + "-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: db, version: 1.0.0, repository: \"file://../../../db\"}]\n", "leaves the repository"},
		"a dependency of another version":    {environment(good) + "-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: db, version: 2.x, repository: \"file://../db\"}]\n-- charts/db/Chart.yaml --\napiVersion: v2\nname: db\nversion: 1.0.0\n", "its dependency db: file://../db is version 1.0.0, and Chart.yaml asks for 2.x"},
		"a dependency on itself":             {environment(good) + "-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: other, version: 1.0.0, repository: \"file://.\"}]\n", "too deep, or in a circle"},
		"a cluster that is too old":          {environment(good) + "-- charts/web/Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: \">=9.0.0\"\n", "release web: chart requires kubeVersion: >=9.0.0"},
		"a template that fails":              {environment(good) + "-- charts/web/templates/x.yaml --\na: 1\nb: {{ fail \"because\" }}\n", "web/templates/x.yaml:2:6"},
		"a template that renders no YAML":    {environment(good) + "-- charts/web/templates/x.yaml --\na: [\n", "web/templates/x.yaml"},
		"the same object from two templates": {environment(good) + "-- charts/web/templates/x.yaml --\n{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}\n", "ConfigMap prod/web is rendered twice, by web/templates/c.yaml and by web/templates/x.yaml"},
		"a hook that Helm would drop":        {environment(good) + "-- charts/web/templates/x.yaml --\n{apiVersion: batch/v1, kind: Job, metadata: {name: j, annotations: {helm.sh/hook: pre-instal}}}\n", `Job.batch j has the unknown hook "pre-instal"`},
		"an object without a name":           {environment(good) + "-- charts/web/templates/x.yaml --\n{apiVersion: batch/v1, kind: Job, metadata: {}}\n", "Job has no metadata.name"},
		"a document that is a list":          {"-- environments/prod/environment.yaml --\n- a\n", "environments/prod/environment.yaml:1"},
		"a document that is empty":           {"-- environments/prod/environment.yaml --\n", "environments/prod/environment.yaml: is empty"},
		"two documents":                      {environment(good) + "---\nkind: Environment\n", "environments/prod/environment.yaml:8: holds more than one document"},
		"what is no YAML":                    {"-- environments/prod/environment.yaml --\napiVersion: tether.stytex.cloud/v1\nkind: [Environment\n", "environments/prod/environment.yaml:2: is not YAML"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, _, err := prepareAll(repo(t, c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestEverythingThatIsWrongIsSaidAtOnce(t *testing.T) {
	_, err := render.LoadEnvironment(repo(t, environment("  namespace: PROD\n  drift: no\n  releases:\n    - {name: web, chart: charts/x, values: [y.yaml]}")), "prod")
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("%v", err)
	}
}

// The digest changes with each input, and with nothing else.
func TestTheDigestIsOfTheInputs(t *testing.T) {
	const good = "  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [values.yaml]}"
	digest := func(text string) string {
		t.Helper()
		all, _, err := prepareAll(repo(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return all[0].Digest
	}
	base := digest(environment(good))
	for sentence, text := range map[string]string{
		"a value":                          environment(good) + "-- environments/prod/values.yaml --\na: two\n",
		"a template":                       environment(good) + "-- charts/web/templates/d.yaml --\n# more\n",
		"a file that templates could read": environment(good) + "-- charts/web/files/x --\nx\n",
		"the release's name":               strings.Replace(environment(good), "name: web", "name: wab", 1),
		"the namespace":                    strings.Replace(environment(good), "namespace: prod", "namespace: other", 1),
		"the chart's values":               environment(good) + "-- charts/web/values.yaml --\na: x\n",
	} {
		if digest(text) == base {
			t.Errorf("%s does not count", sentence)
		}
	}
	for sentence, text := range map[string]string{
		"a comment in the values":        environment(good) + "-- environments/prod/values.yaml --\n# why\na:   one\n",
		"how long a rollout may take":    environment(strings.Replace(good, "values:", "timeout: 1m, waitWhileHeld: true, retries: 2, graces: {crashLoop: 1m}, onFailure: hold, values:", 1)),
		"what else is in the repository": environment(good) + "-- README.md --\nx\n",
		"an ignored file":                environment(good) + "-- charts/web/README.bak --\nx\n-- charts/web/.helmignore --\n*.bak\n.helmignore\n",
	} {
		if digest(text) != base {
			t.Errorf("%s counts", sentence)
		}
	}
}

func TestATemplateThatLoopsIsGivenUp(t *testing.T) {
	files := repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web}")+
		"-- charts/web/templates/x.yaml --\n{{- range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}\n")
	env, err := render.LoadEnvironment(files, "prod")
	if err != nil {
		t.Fatal(err)
	}
	r := render.NewRenderer(render.Config{})
	p, err := r.Prepare(t.Context(), files, env, env.Releases[0])
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.Render(ctx, p, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}); err == nil {
		t.Error("it ended")
	}
}

// A symbolic link in a chart could bring any file of the machine into a render.
func TestASymbolicLinkIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web}"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", dir+"/charts/web/templates/passwd.yaml"); err != nil {
		t.Fatal(err)
	}
	_, text, err := prepareAll(os.DirFS(dir))
	if err == nil || !strings.Contains(err.Error(), "charts/web/templates/passwd.yaml is a symbolic link") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestLaterValuesWin(t *testing.T) {
	_, text, err := prepareAll(repo(t, environment("  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [values.yaml, /shared.yaml]}")+"-- shared.yaml --\na: two\n"))
	if err != nil || !strings.Contains(text, `a: "two"`) {
		t.Errorf("%v\n%s", err, text)
	}
}

// What was rendered is kept until it is deployed, so that looking again costs nothing
// and changes no password.
func TestWhatWasRenderedIsKeptUntilItIsDeployed(t *testing.T) {
	files := repo(t, environment("  namespace: prod\n  releases: [{name: web, chart: charts/web}]")+
		"-- charts/web/templates/x.yaml --\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: {{ randAlphaNum 20 }}}\n")
	env, err := render.LoadEnvironment(files, "prod")
	if err != nil {
		t.Fatal(err)
	}
	r := render.NewRenderer(render.Config{})
	p, err := r.Prepare(t.Context(), files, env, env.Releases[0])
	if err != nil {
		t.Fatal(err)
	}
	text := func(o render.Options) string {
		t.Helper()
		o.Capabilities = render.OfflineCapabilities("", nil)
		rel, err := r.Render(t.Context(), p, o)
		if err != nil {
			t.Fatal(err)
		}
		return rel.Manifest
	}
	first := text(render.Options{Revision: 1})
	if text(render.Options{Revision: 1}) != first {
		t.Error("it was rendered anew")
	}
	if text(render.Options{Revision: 2}) == first {
		t.Error("another revision is what the first one was")
	}
	again := text(render.Options{Revision: 1})
	r.Deployed(p)
	if text(render.Options{Revision: 1}) == again {
		t.Error("what is deployed is kept")
	}
}

// inSubmodule is a repository in which a folder can't be looked into, as a submodule.
type inSubmodule struct{ fs.FS }

func (s inSubmodule) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, "charts/") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("charts is a submodule")}
	}
	return s.FS.Open(name)
}

// Why a chart can't be read is told, and not that it does not exist.
func TestAChartInASubmoduleIsTold(t *testing.T) {
	_, _, err := prepareAll(inSubmodule{repo(t, environment("  namespace: prod\n  releases: [{name: web, chart: charts/web}]"))})
	if err == nil || !strings.Contains(err.Error(), "chart charts/web of release web can't be read: charts is a submodule") {
		t.Error(err)
	}
}
