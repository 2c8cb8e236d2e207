package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"
)

// A repository for the commands that ask no cluster.
func tree(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(text)).Files {
		name := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// What editors and jobs read of a repository that is refused: file, line and column.
func TestProblemsAsJSON(t *testing.T) {
	dir := tree(t, `
-- environments/prod/environment.yaml --
apiVersion: tether.stytex.cloud/v1
kind: Environment
metadata: {name: prod}
spec:
  namespace: prod
  releases:
    - {name: web, chart: web, values: [web.yaml]}
-- environments/prod/web.yaml --
size: big
-- environments/stage/environment.yaml --
apiVersion: tether.stytex.cloud/v1
kind: Environment
metadata: {name: stage}
spec:
  namespaces: stage
-- web/Chart.yaml --
{apiVersion: v2, name: web, version: 1.0.0}
-- web/values.schema.json --
{"properties": {"size": {"type": "integer"}}}
`)
	var out, errors bytes.Buffer
	if code := run(context.Background(), []string{"validate", "--repo", dir, "-o", "json"}, &out, &errors); code != exitUsage {
		t.Fatalf("%d: %s", code, errors.String())
	}
	var have []struct {
		Environment string
		Issues      []issue
	}
	if err := json.Unmarshal(out.Bytes(), &have); err != nil || len(have) != 2 || len(have[0].Issues) != 1 || len(have[1].Issues) == 0 {
		t.Fatalf("%v: %s", err, out.String())
	}
	if i := have[0].Issues[0]; i != (issue{"environments/prod/web.yaml", 1, 7, "release web: web: - at '/size': got string, want integer"}) {
		t.Errorf("%+v", i)
	}
	if i := have[1].Issues[0]; i.File != "environments/stage/environment.yaml" || i.Line != 5 {
		t.Errorf("%+v", i)
	}
	for _, command := range []string{"validate", "render"} {
		out.Reset()
		if code := run(context.Background(), []string{command, "prd", "--repo", dir}, &out, &out); code != exitUsage || !bytes.Contains(out.Bytes(), []byte("the repository has no environment prd: it has prod, stage; did you mean prod?")) {
			t.Errorf("%s: %d, %s", command, code, out.String())
		}
	}
}
