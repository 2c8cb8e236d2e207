package config_test

import (
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render/config"
)

// Whatever environment.yaml holds, it is read to an end, and what is accepted is
// the environment of that name.
func FuzzEnvironment(f *testing.F) {
	const good = "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n"
	f.Add([]byte(good + "  releases: [{name: web, chart: web, dependsOn: [db]}, {name: db, chart: /web, timeout: 5m, verify: [{url: http://a, expect: {body: a, json: {a: [1]}}}]}]\n"))
	f.Add([]byte(good + "  deployWindows: [{kind: deny, schedule: 0 9 * * MON-FRI, duration: 8h, timezone: Europe/Berlin}]\n  pruneBudget: 10%\n"))
	f.Add([]byte(good + "  ignore: [{kind: A, name: a-*, paths: [/a~1b]}]\n  namespaceLabels: {a: &a b, c: *a}\n---\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		files := fstest.MapFS{"environments/prod/environment.yaml": {Data: raw}, "web/Chart.yaml": {}}
		env, err := config.Load(files, "prod")
		if err != nil {
			if err.Error() == "" {
				t.Error("refused without a word")
			}
			return
		}
		if env.Name != "prod" || env.Namespace == "" {
			t.Errorf("accepted: %+v", env)
		}
	})
}
