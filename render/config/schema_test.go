package config

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/patch"
)

const schemaFile = "../../docs/environment.schema.json"

// The published schema names the very fields that the parser knows.
func TestTheSchemaNamesWhatTheParserKnows(t *testing.T) {
	raw, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct{ Properties map[string]any }
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(health.Fields(), slices.Sorted(maps.Keys(schema.Defs["healthRule"].Properties))); diff != "" {
		t.Errorf("health: -parser +schema:\n%s", diff)
	}
	for name, c := range map[string]struct {
		schema []string
		of     any
	}{
		"document":   {slices.Sorted(maps.Keys(schema.Properties)), document{}},
		"spec":       {slices.Sorted(maps.Keys(schema.Properties["spec"].Properties)), specDocument{}},
		"release":    {slices.Sorted(maps.Keys(schema.Defs["release"].Properties)), releaseDocument{}},
		"login":      {slices.Sorted(maps.Keys(schema.Defs["chartCredential"].Properties)), credentialDocument{}},
		"versioning": {slices.Sorted(maps.Keys(schema.Defs["versioning"].Properties)), versioningDocument{}},
		"promote":    {slices.Sorted(maps.Keys(schema.Defs["promote"].Properties)), promoteDocument{}},
		"window":     {slices.Sorted(maps.Keys(schema.Defs["window"].Properties)), windowDocument{}},
		"values":     {slices.Sorted(maps.Keys(schema.Defs["valuesFrom"].Properties)), valuesFromDocument{}},
		"patch":      {slices.Sorted(maps.Keys(schema.Defs["patch"].Properties)), patchDocument{}},
		"target":     {slices.Sorted(maps.Keys(schema.Defs["target"].Properties)), patch.Target{}},
		"graces":     {slices.Sorted(maps.Keys(schema.Defs["graces"].Properties)), gracesDocument{}},
		"check":      {slices.Sorted(maps.Keys(schema.Defs["check"].Properties)), checkDocument{}},
		"service":    {slices.Sorted(maps.Keys(schema.Defs["service"].Properties)), manifest.ServiceRef{}},
		"expect":     {slices.Sorted(maps.Keys(schema.Defs["expect"].Properties)), expectDocument{}},
	} {
		if diff := cmp.Diff(fieldsOf(c.of), c.schema); diff != "" {
			t.Errorf("%s: -parser +schema:\n%s", name, diff)
		}
	}
}

func fieldsOf(v any) []string {
	var out []string
	for i := range reflect.TypeOf(v).NumField() {
		name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("yaml"), ",")
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// What the project's own environments say fits the schema, and what it should
// refuse does not.
func TestTheSchemaAcceptsWhatTheParserAccepts(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../environments/*/environment.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no environments: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(decode(t, string(raw))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, change := range []string{"drift: correct→drift: ignore", "kind: Environment→kind: Other", "timeout: 10m→timeout: soon", "releases:→relases:"} {
			from, to, _ := strings.Cut(change, "→")
			broken := strings.Replace(string(raw), from, to, 1)
			if broken != string(raw) && schema.Validate(decode(t, broken)) == nil {
				t.Errorf("%s with %s is accepted", file, change)
			}
		}
	}
}

// What the parser makes of a spec, the schema makes of it too.
func TestTheSchemaJudgesAsTheParser(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	window := func(fields string) string { return "deployWindows: [{" + fields + "}]" }
	verify := func(check string) string { return "releases: [{name: web, chart: web, verify: [" + check + "]}]" }
	chart := func(fields string) string { return "releases: [{name: web, chart: " + fields + "}]" }
	digest := "@sha256:" + strings.Repeat("0", 64)
	values := func(fields string) string { return "releases: [{name: web, chart: web, " + fields + "}]" }
	for spec, good := range map[string]bool{
		values("retries: 3, graces: {crashLoop: 1m30s, unschedulable: 5m}"):                      true,
		values("waitWhileHeld: true"):                                                            true,
		values("waitWhileHeld: yes please"):                                                      false,
		values("retries: -1"):                                                                    false,
		values("retries: 11"):                                                                    false,
		values("graces: {crashLoop: 1}"):                                                         false,
		values("graces: {imagePull: 0s}"):                                                        false,
		values("graces: {crash: 1m}"):                                                            false,
		chart("oci://example.com/web, version: 1.2.3"):                                           true,
		chart("oci://example.com/web, version: ^1.2"):                                            true,
		chart("oci://example.com/web, version: latest"):                                          true,
		chart("oci://example.com/web, version: \"" + digest + "\""):                              true,
		chart("oci://example.com/web, version: 1.2.3" + digest):                                  true,
		chart("oci://example.com/web, version: 1.2.3@sha256:00"):                                 false,
		chart("oci://example.com/web"):                                                           false,
		chart("oci://you:secret@example.com/web, version: 1.2.3"):                                false,
		chart("https://example.com/charts/web, version: 1.2.3"):                                  true,
		chart("https://example.com/charts/web"):                                                  false,
		chart("\"https://example.com/charts/web?token=x\", version: 1.0.0"):                      false,
		chart("https://example.com/charts/web-1.2.3.tgz"):                                        true,
		chart("http://example.com/charts/web, version: 1.2.3"):                                   false,
		chart("http://127.0.0.1:8080/charts/web, version: 1.2.3"):                                true,
		chart("ftp://example.com/web, version: 1.2.3"):                                           false,
		chart("web, version: 1.2.3"):                                                             false,
		"chartCredentials: [{host: example.com, secret: login}]":                                 true,
		"chartCredentials: [{host: \"https://example.com\", secret: login}]":                     false,
		"chartCredentials: [{host: example.com, secret: Log_in}]":                                false,
		"chartCredentials: [{host: example.com}]":                                                false,
		values("values: {a: b}"):                                                                 true,
		values("values: [{a: b}]"):                                                               true,
		values("values: "):                                                                       true,
		values("values: word"):                                                                   false,
		values("values: [7]"):                                                                    false,
		values("valuesFrom: [{kind: Secret, name: x, key: a, targetPath: a.b, optional: true}]"): true,
		values("valuesFrom: [{kind: Pod, name: x}]"):                                             false,
		values("valuesFrom: [{kind: Secret, name: X}]"):                                          false,
		values("valuesFrom: [{kind: Secret, name: x, targetPath: a=b}]"):                         false,
		values("patches: [{target: {kind: Service}, patch: '[{op: remove, path: /spec}]'}]"):     true,
		values("patches: [{target: {kind: Service}}]"):                                           false,
		values("patches: [{target: {}, patch: '[{op: remove, path: /spec}]'}]"):                  false,
		"health: [{kind: Widget, current: status.phase == 'Up'}]":                                true,
		"health: [{group: \"*.example.com\", kind: \"W*\", failed: \"status.x > 1\", grace: 1m, message: status.why}]": true,
		"health: [{apiVersion: example.com/v1, kind: Widget, ignore: true}]":                                           true,
		"health: [{kind: Widget}]":                                 false,
		"health: [{current: \"true\"}]":                            false,
		"health: [{kind: Widget, current: \"true\", grace: soon}]": false,
		"health: [{kind: Widget, currently: \"true\"}]":            false,
		"health: {kind: Widget}":                                   false,
		"atomic: true":                                             true,
		"versioning: {pattern: 'v[0-9]+', images: [\"ghcr.io/you/*\"], forbidTags: [latest]}": true,
		"versioning: {forbidTags: [latest]}":                                                  true,
		"versioning: {forbidTags: []}":                                                        false,
		"versioning: {images: [x], forbidTags: [latest]}":                                     false,
		"versioning: {pattern: v, images: [\"\"]}":                                            false,
		"versioning: {pattern: v, tags: [latest]}":                                            false,
		"versioning: {pattern: [v]}":                                                          false,
		"secrets: encrypted-only":                                                             true,
		"secrets: any":                                                                        true,
		"secrets: sealed":                                                                     false,
		"pruneBudget: 0%":                                                                     true,
		"pruneBudget: 101%":                                                                   false,
		"pruneBudget: half":                                                                   false,
		window("kind: allow, schedule: 0 9 * * MON-FRI, duration: 8h, timezone: Europe/Berlin"):                         true,
		window("kind: deny, schedule: \"@daily\", duration: 1h30m"):                                                     true,
		window("kind: maybe, schedule: 0 9 * * *, duration: 8h"):                                                        false,
		window("kind: allow, schedule: \"@every 1h\", duration: 8h"):                                                    false,
		window("kind: allow, schedule: CRON_TZ=Asia/Tokyo 0 9 * * *, duration: 8h"):                                     false,
		window("kind: allow, schedule: 0 9 * * *, duration: long"):                                                      false,
		window("kind: allow, schedule: 0 9 * * *, duration: 8h, timezone: Local"):                                       false,
		verify("{url: http://web/healthz}"):                                                                             true,
		verify("{url: web/healthz}"):                                                                                    false,
		verify("{url: http://web, test: true}"):                                                                         false,
		verify("{test: true}"):                                                                                          true,
		verify("{test: true, expect: {status: 200}}"):                                                                   false,
		verify("{expect: {status: 200}}"):                                                                               false,
		verify("{service: {name: web, port: 80, path: /healthz}, expect: {status: 204, json: {a: {b: 1}}, body: ^ok}}"): true,
		verify("{service: {name: web}}"):                                                                                false,
		verify("{service: {name: web, port: http, scheme: gopher}}"):                                                    false,
	} {
		text := "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n  " + spec + "\n"
		files := fstest.MapFS{"environments/prod/environment.yaml": {Data: []byte(text)}, "web/Chart.yaml": {}}
		if _, err := Load(files, "prod"); (err == nil) != good {
			t.Errorf("parser: %s: %v", spec, err)
		}
		if err := schema.Validate(decode(t, text)); (err == nil) != good {
			t.Errorf("schema: %s: %v", spec, err)
		}
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
