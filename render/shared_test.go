package render_test

import (
	"strings"
	"testing"

	"github.com/xetys/tether/render"
)

// What was rendered for one environment is no answer for another, though both have the very
// same release: the process that rendered it may have been taken over by something else that
// the first one has.
func TestNothingRenderedIsSharedByEnvironments(t *testing.T) {
	prod := environment("  namespace: prod\n  releases: [{name: web, chart: charts/web}]")
	beta := strings.NewReplacer("environments/prod/", "environments/beta/", "name: prod", "name: beta").Replace(prod)
	files := repository{repo(t, prod+beta+"-- charts/web/templates/random.yaml --\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: random}\ndata: {a: {{ randAlphaNum 20 }}}\n")}
	r := render.NewRenderer(render.Config{})
	opts := render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}
	rendered := map[string]string{}
	digests := map[string]string{}
	for _, name := range []string{"prod", "beta", "prod", "beta"} {
		env, err := render.LoadEnvironment(files, name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.Prepare(t.Context(), files, env, env.Releases[0])
		if err != nil {
			t.Fatal(err)
		}
		rel, err := r.Render(t.Context(), p, opts)
		if err != nil {
			t.Fatal(err)
		}
		if before := rendered[name]; before != "" && before != rel.Manifest {
			t.Errorf("%s was rendered twice: this test shows nothing", name)
		}
		rendered[name], digests[name] = rel.Manifest, p.Digest
	}
	if digests["prod"] != digests["beta"] {
		t.Errorf("the inputs are not the same: this test shows nothing")
	}
	if rendered["prod"] == rendered["beta"] {
		t.Errorf("both have\n%s", rendered["prod"])
	}
}
