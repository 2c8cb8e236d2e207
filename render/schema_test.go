package render

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

const schemaFile = "../docs/environment.schema.json"

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
	for name, c := range map[string]struct {
		schema []string
		of     any
	}{
		"document": {slices.Sorted(maps.Keys(schema.Properties)), document{}},
		"spec":     {slices.Sorted(maps.Keys(schema.Properties["spec"].Properties)), specDocument{}},
		"release":  {slices.Sorted(maps.Keys(schema.Defs["release"].Properties)), releaseDocument{}},
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
	files, err := filepath.Glob("../environments/*/environment.yaml")
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

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}
