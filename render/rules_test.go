package render_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	made "github.com/xetys/tether/test/sops"
)

// running is a repository whose one release has images, one of them a hook's.
func running(t *testing.T, versioning, values string) fs.FS {
	return repo(t, environment("  namespace: prod\n"+versioning+"\n  releases:\n    - name: web\n      chart: charts/web\n      values: [values.yaml, {b: c}]")+`
-- charts/web/values.yaml --
side: example.com/side:v2026.5.0
hook: example.com/hook@sha256:0123
-- charts/web/templates/web.yaml --
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers: [{name: side, image: "{{ .Values.side }}"}]
  containers: [{name: web, image: "example.com/team/web:{{ .Values.image.tag }}"}]
---
apiVersion: v1
kind: Pod
metadata: {name: hook, annotations: {helm.sh/hook: pre-upgrade}}
spec:
  containers: [{name: hook, image: "{{ .Values.hook }}"}]
-- environments/prod/values.yaml --
`+values)
}

func TestImagesAreHeldToVersioning(t *testing.T) {
	const year = "  versioning: {pattern: 'v20[0-9]{2}\\.[0-9]+\\.[0-9]+(-(alpha|beta)[0-9]+)?', images: [example.com/team/*]}"
	const forbid = "  versioning: {forbidTags: [latest, main]}"
	const good = "image: {tag: v2026.1.0}\n"
	for sentence, c := range map[string]struct{ versioning, values, want string }{
		"without a rule any tag runs":                     {"", "image: {tag: latest}\n", ""},
		"a tag that fits runs":                            {year, "image: {tag: v2026.1.0-alpha12}\n", ""},
		"one that fits in part does not":                  {year, "image:\n  # what runs\n  tag: v2026.1.0-alpha12-dirty\n", "environments/prod/values.yaml:3: release web: image example.com/team/web:v2026.1.0-alpha12-dirty: its tag v2026.1.0-alpha12-dirty is not as versioning.pattern of environment.yaml asks for: v20"},
		"images that the pattern is not about run":        {year, good + "side: docker.io/library/postgres:16-alpine\n", ""},
		"without images it is about all":                  {"  versioning: {pattern: v.*}", good + "side: docker.io/library/postgres:16-alpine\nhook: x:v1\n", "environments/prod/values.yaml:2: release web: image docker.io/library/postgres:16-alpine: its tag 16-alpine"},
		"an image that has no version has none that fits": {"  versioning: {pattern: v.*}", good, "release web: image example.com/hook@sha256:0123: it has no tag, and versioning.pattern"},
		"a forbidden tag is refused":                      {forbid, "image: {tag: main}\n", "environments/prod/values.yaml:1: release web: image example.com/team/web:main: its tag main is one that versioning.forbidTags of environment.yaml forbids"},
		"no tag is latest":                                {forbid, good + "side: registry.example.com:5000/side\n", "environments/prod/values.yaml:2: release web: image registry.example.com:5000/side: its tag latest"},
		"a digest is a version":                           {forbid, good + "side: example.com/side@sha256:0123\n", ""},
		"a tag beside a digest counts":                    {forbid, good + "side: example.com/side:latest@sha256:0123\n", "its tag latest"},
		"a hook's image counts":                           {forbid, good + "hook: example.com/hook:latest\n", "environments/prod/values.yaml:2: release web: image example.com/hook:latest"},
		"the key for tags is named before others":         {forbid, "name: main\nimage: {tag: main}\n", "environments/prod/values.yaml:2: "},
		"what the chart says is said where it is listed":  {"  versioning: {pattern: 'v2027.*', images: [example.com/side]}", good, "environments/prod/environment.yaml:8: release web: image example.com/side:v2026.5.0"},
		"all that is wrong is said":                       {forbid, "image: {tag: main}\nside: x:latest\n", "environments/prod/values.yaml:2: release web: image x:latest"},
		"an alias is said where it is used":               {forbid, "common: &tag latest\nimage:\n  tag: *tag\n", "environments/prod/values.yaml:3: "},
		"a pattern that is none is refused":               {"  versioning: {pattern: 'v(2026'}", good, "environments/prod/environment.yaml:6: pattern \"v(2026\" of spec.versioning is no regular expression"},
		"a pattern without an end is refused":             {"  versioning: {pattern: " + strings.Repeat("v", 257) + "}", good, "has more than 256 characters"},
		"a rule that says nothing is refused":             {"  versioning: {}", good, "spec.versioning says nothing"},
		"images without a pattern are refused":            {"  versioning: {images: [x], forbidTags: [latest]}", good, "images of spec.versioning say what its pattern is about"},
		"a pattern of images that is none is refused":     {"  versioning: {pattern: v.*, images: ['x[']}", good, `"x[" of images of spec.versioning`},
		"an unknown field of versioning is refused":       {"  versioning: {patern: v.*}", good, `environment.yaml:6: unknown field "patern"`},
		"secrets is any or encrypted-only, and no else":   {"  secrets: encrypted", good, `environment.yaml:6: spec.secrets is "encrypted": use any or encrypted-only`},
		"a key for tags of any layer is named first":      {"  versioning: {forbidTags: [c]}", "image: {tag: c}\n", "environments/prod/values.yaml:1: "},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, _, err := prepareAll(running(t, c.versioning, c.values))
			var problems config.Problems
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &problems)):
				t.Errorf("have %v\nwant %s", err, c.want)
			}
		})
	}
}

// What was rendered before a rule is compared with what comes, and so is not held to it.
func TestThePastIsNotHeldToRules(t *testing.T) {
	files := running(t, "  versioning: {forbidTags: [latest]}", "image: {tag: latest}\n")
	env, err := render.LoadEnvironment(files, "prod")
	if err != nil {
		t.Fatal(err)
	}
	r := render.NewRenderer(render.Config{})
	p, err := r.Prepare(t.Context(), files, env, env.Releases[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Render(t.Context(), p, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil), Historic: true}); err != nil {
		t.Error(err)
	}
}

// secretly is a repository whose chart writes a Secret, and one that says that it is none.
func secretly(t *testing.T, key *made.Key, encrypted, fields, more string) fs.FS {
	raw, err := made.Encrypt([]byte(encrypted), "yaml", nil, key)
	if err != nil {
		t.Fatal(err)
	}
	return repo(t, environment("  namespace: prod\n  secrets: encrypted-only\n  releases:\n    - name: web\n      chart: charts/web\n      "+fields)+`
-- charts/web/templates/secret.yaml --
apiVersion: v1
kind: Secret
metadata: {name: db}
data:
  password: {{ .Values.password | default (randAlphaNum 20) | b64enc }}
stringData:
  url: {{ printf "postgres://web:%s@db/%s" (.Values.password | default "") (.Values.name | default "") | quote }}
  empty: ""
---
apiVersion: v1
kind: Secret
metadata: {name: plain, annotations: {tether.stytex.cloud/not-secret: "true"}}
stringData: {config: {{ .Values.config | default "none" }}}
`+more+"-- environments/prod/secrets.sops.yaml --\n"+string(raw))
}

func TestSecretsAreHeldToEncryption(t *testing.T) {
	key, err := made.AgeKey()
	if err != nil {
		t.Fatal(err)
	}
	const sopsOnly = "values: [secrets.sops.yaml]"
	chart := func(data string) string {
		return "-- charts/web/templates/secret.yaml --\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: " + data + "\n"
	}
	for sentence, c := range map[string]struct{ encrypted, fields, more, want string }{
		"what sops encrypted is a secret":                 {"password: hunter2-hunter2\n", sopsOnly, "", ""},
		"what valuesFrom gives is one":                    {"x: yyyyy\n", "valuesFrom: [{kind: Secret, name: db, key: password, targetPath: password}]", "", ""},
		"what stands in a file for all to read is none":   {"x: yyyyy\n", "values: [db.yaml]", "-- environments/prod/db.yaml --\n# the database's\npassword: hunter2-hunter2\n", "environments/prod/db.yaml:2: release web: Secret prod/db, key password (web/templates/secret.yaml) gets password, which stands here for all to read"},
		"nor is what stands in environment.yaml":          {"x: yyyyy\n", "values: [{password: hunter2-hunter2}]", "", "environments/prod/environment.yaml:10: release web: Secret prod/db, key password"},
		"a part of it is found":                           {"x: yyyyy\n", "values: [db.yaml]", "-- environments/prod/db.yaml --\npassword: hunter2-hunter2\n", "environments/prod/db.yaml:1: release web: Secret prod/db, key url"},
		"what the chart says is none":                     {"x: yyyyy\n", sopsOnly, chart("{password: hunter2-hunter2}"), "environments/prod/environment.yaml:8: release web: Secret prod/db, key password (web/templates/secret.yaml) is what the chart says for all to read"},
		"a password that is drawn is one":                 {"x: yyyyy\n", sopsOnly, chart("{password: {{ randAlphaNum 20 }}}"), ""},
		"a certificate that is made is one":               {"x: yyyyy\n", sopsOnly, chart("{key: {{ (genSelfSignedCert \"x\" nil nil 1).Key | quote }}}"), ""},
		"what surrounds a secret is a part of it":         {"password: hunter2-hunter2\nuser: ann\n", sopsOnly, chart("{url: \"postgres://web:{{ .Values.password }}@db/web\"}"), ""},
		"so is what it is written into as base64":         {"password: hunter2-hunter2\n", sopsOnly, chart("{auth: {{ b64enc .Values.password }}}"), ""},
		"and over lines of its own":                       {"password: |\n  one line\n  another line\n", sopsOnly, chart("{config: {{ .Values.password | nindent 6 | quote }}}"), ""},
		"a short secret explains no more than itself":     {"pin: \"17\"\n", sopsOnly, chart("{pin: \"{{ .Values.pin }}\", other: is-17-too}"), "key other"},
		"a file that is overruled by sops does not count": {"password: hunter2-hunter2\n", "values: [db.yaml, secrets.sops.yaml]", "-- environments/prod/db.yaml --\npassword: changeme\n", ""},
		"a number is a secret too":                        {"password: 12345678\n", sopsOnly, chart("{password: {{ .Values.password | quote }}}"), ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			config := render.Config{Keys: withKey(t, key), References: things{"Secret prod/db": {"password": "hunter2-hunter2"}}}
			_, _, err := prepared(t, config, secretly(t, key, c.encrypted, c.fields, c.more))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("have %v\nwant %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a value is shown: %v", err)
			}
		})
	}
}

// Without the key nothing is known of what was encrypted, and so nothing is refused.
func TestWithoutTheKeySecretsAreNotJudged(t *testing.T) {
	key, err := made.AgeKey()
	if err != nil {
		t.Fatal(err)
	}
	files := secretly(t, key, "password: hunter2-hunter2\n", "values: [db.yaml, secrets.sops.yaml]", "-- environments/prod/db.yaml --\npassword: changeme\n")
	p, _, err := prepared(t, render.Config{Lenient: true}, files)
	if err != nil || len(p.Unread) != 1 {
		t.Errorf("%v", err)
	}
}
