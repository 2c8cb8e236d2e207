package render_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// workload is a chart with something of each kind that patches treat differently.
const workload = `
-- charts/web/templates/c.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, labels: {app: web}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - {name: web, image: example.com/web:v1, env: [{name: A, value: "1"}], args: [a, b]}
        - {name: side, image: example.com/side:v1}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}, labels: {app: web}}
spec: {ports: [{name: http, port: 80}, {name: admin, port: 81}]}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: {{ .Release.Name }}}
spec: {parts: [{name: a, size: 1}, {name: b, size: 2}], big: 12345678901}
-- charts/web/templates/hook.yaml --
apiVersion: batch/v1
kind: Job
metadata: {name: before, annotations: {helm.sh/hook: pre-upgrade}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: example.com/job:v1}]}}}
`

// What patches make of a chart: testdata/patches/*.txtar, each a list of patches
// and what comes out. Without hooks it is what kustomize makes of it.
func TestPatches(t *testing.T) {
	files, err := filepath.Glob("testdata/patches/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			golden, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			patches := string(golden.Files[0].Data)
			_, have, err := prepared(t, render.Config{}, repo(t, workload+release("patches:\n"+strings.TrimRight(patches, "\n"))))
			if err != nil {
				have = err.Error() + "\n"
			}
			if *update {
				golden.Files = []txtar.File{golden.Files[0], {Name: "rendered", Data: []byte(have)}}
				if err := os.WriteFile(file, txtar.Format(golden), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if want := string(golden.Files[1].Data); have != want {
				t.Errorf("have:\n%s\nwant:\n%s", have, want)
			}
			if err == nil {
				sameAsKustomize(t, patches, have)
			}
		})
	}
}

// sameAsKustomize builds a kustomization of the same objects with the same patches.
func sameAsKustomize(t *testing.T, patches, have string) {
	t.Helper()
	_, plain, err := prepared(t, render.Config{}, repo(t, workload+release("")))
	if err != nil {
		t.Fatal(err)
	}
	disk := filesys.MakeFsInMemory()
	for name, text := range map[string]string{"all.yaml": plain, "kustomization.yaml": "resources: [all.yaml]\npatches:\n" + patches} {
		if err := disk.WriteFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk, ".")
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	want, got := objectsOf(t, string(wanted)), objectsOf(t, have)
	if len(want) != len(got) {
		t.Errorf("kustomize has %d objects, we have %d", len(want), len(got))
	}
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s\nkustomize: %s\nwe:        %s", k, w, got[k])
		}
	}
}

// objectsOf are objects as JSON, by kind and name, without their namespaces.
func objectsOf(t *testing.T, text string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for doc := range strings.SplitSeq(text, "---\n") {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			t.Fatal(err)
		}
		if len(o) == 0 {
			continue
		}
		meta := o["metadata"].(map[string]any)
		delete(meta, "namespace")
		raw, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		out[o["kind"].(string)+" "+meta["name"].(string)] = string(raw)
	}
	return out
}

func TestPatchesThatAreRefused(t *testing.T) {
	const at = "environments/prod/environment.yaml:10: "
	for sentence, c := range map[string]struct{ patch, want string }{
		"no text":                    {`{target: {kind: Service}}`, at + "a patch: it has no text"},
		"what is no YAML":            {`{target: {kind: Service}, patch: "a: ["}`, at + "a patch: it is not YAML"},
		"a word":                     {`{target: {kind: Service}, patch: word}`, at + "a patch: it is neither an object nor a list of operations"},
		"two documents":              {`{target: {kind: Service}, patch: "a: b\n---\nc: d"}`, at + "a patch: it holds more than one document"},
		"operations on nothing":      {`{patch: "[{op: remove, path: /spec}]"}`, at + "a patch: a JSON 6902 patch needs a target"},
		"no operations":              {`{target: {kind: Service}, patch: "[]"}`, at + "a patch: it has no operations"},
		"an operation that is none":  {`{target: {kind: Service}, patch: "[{op: delete, path: /spec}]"}`, at + `a patch: operation 1: op is "delete"`},
		"a path that is no pointer":  {`{target: {kind: Service}, patch: "[{op: remove, path: spec.ports}]"}`, at + "a patch: operation 1: path is no JSON pointer"},
		"a value that is missing":    {`{target: {kind: Service}, patch: "[{op: add, path: /spec}]"}`, at + "a patch: operation 1: add needs a value"},
		"a source that is missing":   {`{target: {kind: Service}, patch: "[{op: move, path: /spec}]"}`, at + "a patch: operation 1: move needs from"},
		"a merge without a name":     {`{target: {kind: Service}, patch: "spec: {type: NodePort}"}`, at + "a patch: a strategic merge patch needs kind and metadata.name; with a target they may be anything"},
		"a merge without a target":   {`{patch: "kind: Service\nmetadata: {name: web}"}`, at + "a patch: without a target it needs the apiVersion"},
		"a target of everything":     {`{target: {}, patch: "[{op: remove, path: /spec}]"}`, at + "a patch: its target selects nothing in particular"},
		"a pattern that is none":     {`{target: {kind: "("}, patch: "[{op: remove, path: /spec}]"}`, at + "a patch: its target: error parsing regexp"},
		"a selector that is none":    {`{target: {labelSelector: "a in"}, patch: "[{op: remove, path: /spec}]"}`, "environments/prod/environment.yaml:10: "},
		"an unknown field":           {`{target: {kinds: Service}, patch: "[{op: remove, path: /spec}]"}`, `unknown field "kinds"`},
		"a target that is not there": {`{target: {kind: Ingress}, patch: "[{op: remove, path: /spec}]"}`, "release web: environments/prod/environment.yaml:10: the patch matches no object of the release"},
		"a field that is not there":  {`{target: {kind: Service}, patch: "[{op: remove, path: /spec/nothing}]"}`, "the patch of Service prod/web fails: "},
		"a test that fails":          {`{target: {kind: Service}, patch: "[{op: test, path: /spec/ports/0/port, value: 7}]"}`, "the patch of Service prod/web fails: "},
		"another name":               {`{target: {kind: Service}, patch: "[{op: replace, path: /metadata/name, value: other}]"}`, "a patch may not change kind, name or namespace"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, _, err := prepared(t, render.Config{}, repo(t, workload+release("patches:\n  - "+c.patch)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %v\nwant %s", err, c.want)
			}
		})
	}
}

// Whatever stands under patches and values, the parser ends, and says where.
func FuzzReleaseFields(f *testing.F) {
	f.Add("patches: [{target: {kind: Service}, patch: '[{op: remove, path: /spec}]'}]")
	f.Add("patches: [{patch: \"apiVersion: v1\\nkind: Service\\nmetadata: {name: web}\\n$patch: delete\"}]")
	f.Add("values: [{a: &a [b], c: *a}, values.yaml]")
	f.Add("valuesFrom: [{kind: Secret, name: x, targetPath: a[0].b}]")
	f.Fuzz(func(t *testing.T, fields string) {
		_, err := render.LoadEnvironment(repo(t, release(fields)), "prod")
		if err != nil && !strings.HasPrefix(err.Error(), "environments/prod/environment.yaml") {
			t.Errorf("%v", err)
		}
	})
}

// A number that no patch names stays what it is, and one that a patch gives is what it
// gives: in what is applied and in what is recorded.
func TestPatchesKeepNumbers(t *testing.T) {
	const chart = `
-- charts/web/templates/c.yaml --
apiVersion: example.com/v1
kind: Widget
metadata: {name: web}
spec: {past: 9007199254740993, most: 9223372036854775807, least: -9223372036854775808, real: 0.1, small: 1e-7, huge: 1.7976931348623157e+308, list: [{name: a, id: 9007199254740995}]}
`
	for sentence, patch := range map[string]string{
		"operations":                 `[{op: add, path: /spec/more, value: 9007199254740997}, {op: add, path: /spec/list/-, value: {name: b, id: 1.5}}]`,
		"operations, as YAML":        "\n- {op: add, path: /spec/more, value: 9007199254740997}\n- {op: add, path: /spec/list/-, value: {name: b, id: 1.5}}",
		"a strategic merge":          `{apiVersion: example.com/v1, kind: Widget, metadata: {name: web}, spec: {more: 9007199254740997, list: [{name: a, id: 9007199254740995}, {name: b, id: 1.5}]}}`,
		"a move from field to field": `[{op: add, path: /spec/more, value: 9007199254740997}, {op: copy, from: /spec/past, path: /spec/moved}, {op: move, from: /spec/moved, path: /spec/past}, {op: add, path: /spec/list/-, value: {name: b, id: 1.5}}]`,
	} {
		t.Run(sentence, func(t *testing.T) {
			indented := strings.ReplaceAll(patch, "\n", "\n    ")
			files := repo(t, chart+release("patches:\n- target: {kind: Widget}\n  patch: |\n    "+strings.TrimSpace(indented)))
			env, err := render.LoadEnvironment(files, "prod")
			if err != nil {
				t.Fatal(err)
			}
			r := render.NewRenderer(render.Config{})
			p, err := r.Prepare(t.Context(), files, env, env.Releases[0])
			if err != nil {
				t.Fatal(err)
			}
			rel, err := r.Render(t.Context(), p, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)})
			if err != nil {
				t.Fatal(err)
			}
			const want = `{"huge":1.7976931348623157e+308,"least":-9223372036854775808,"list":[{"id":9007199254740995,"name":"a"},{"id":1.5,"name":"b"}],` +
				`"more":9007199254740997,"most":9223372036854775807,"past":9007199254740993,"real":0.1,"small":1e-7}`
			recorded, err := manifest.Parse(rel.Manifest, "prod", nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []manifest.Object{rel.Objects[0], recorded[0]} {
				if raw, err := json.Marshal(o.Object["spec"]); err != nil || string(raw) != want {
					t.Errorf("have %s\nwant %s, %v", raw, want, err)
				}
			}
		})
	}
}
