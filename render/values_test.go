package render_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/sops"
	made "github.com/xetys/tether/test/sops"
)

// things are ConfigMaps and Secrets by their names.
type things map[string]map[string]string

func (f things) Read(_ context.Context, ref render.Reference) (map[string][]byte, error) {
	data, ok := f[ref.String()]
	if !ok {
		return nil, fmt.Errorf("%s: %w", ref, fs.ErrNotExist)
	}
	if data == nil {
		return nil, errors.New("the cluster is away")
	}
	out := map[string][]byte{}
	for k, v := range data {
		out[k] = []byte(v)
	}
	return out, nil
}

// prepared prepares and renders the one release of environment prod.
func prepared(t *testing.T, config render.Config, files fs.FS) (*render.Prepared, string, error) {
	t.Helper()
	env, err := render.LoadEnvironment(files, "prod")
	if err != nil {
		return nil, "", err
	}
	r := render.NewRenderer(config)
	p, err := r.Prepare(t.Context(), files, env, env.Releases[0])
	if err != nil {
		return nil, "", err
	}
	rel, err := r.Render(t.Context(), p, render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)})
	if err != nil {
		return p, "", err
	}
	return p, render.Text(rel), nil
}

func release(fields string) string {
	return environment("  namespace: prod\n  releases:\n    - name: web\n      chart: charts/web\n      " + strings.ReplaceAll(strings.TrimSpace(fields), "\n", "\n      "))
}

// Layers are merged in order: from the cluster first, then what is listed.
func TestTheLastLayerWins(t *testing.T) {
	cluster := things{
		"ConfigMap prod/extra": {"values.yaml": "a: map", "other": "a: other", "word": "0123"},
		"Secret prod/hidden":   {"values.yaml": "a: hidden", "password": "s3cret\n"},
	}
	for sentence, c := range map[string]struct{ fields, want string }{
		"a file":                                   {`values: [values.yaml]`, "one"},
		"a map":                                    {`values: {a: inline}`, "inline"},
		"a file, and a map after it":               {`values: [values.yaml, {a: inline}]`, "inline"},
		"a map, and a file after it":               {`values: [{a: inline}, values.yaml]`, "one"},
		"a ConfigMap":                              {`valuesFrom: [{kind: ConfigMap, name: extra}]`, "map"},
		"another key of it":                        {`valuesFrom: [{kind: ConfigMap, name: extra, key: other}]`, "other"},
		"a Secret after it":                        {`valuesFrom: [{kind: ConfigMap, name: extra}, {kind: Secret, name: hidden}]`, "hidden"},
		"a file after all of them":                 {"values: [values.yaml]\nvaluesFrom: [{kind: Secret, name: hidden}]", "one"},
		"a text that looks like a number":          {`valuesFrom: [{kind: ConfigMap, name: extra, key: word, targetPath: a}]`, "0123"},
		"an optional one that is not there":        {"values: [values.yaml]\nvaluesFrom: [{kind: ConfigMap, name: absent, optional: true}]", "one"},
		"an optional one without the key":          {"values: [values.yaml]\nvaluesFrom: [{kind: ConfigMap, name: extra, key: absent, optional: true}]", "one"},
		"no values at all":                         {`values: `, "none"},
		"inline values with the types of a file's": {`values: {a: 0x10}`, "16"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, text, err := prepared(t, render.Config{References: cluster}, repo(t, release(c.fields)))
			if err != nil || !strings.Contains(text, fmt.Sprintf("a: %q", c.want)) {
				t.Errorf("%v\n%s", err, text)
			}
		})
	}
}

func TestValuesThatAreRefused(t *testing.T) {
	cluster := things{"ConfigMap prod/extra": {"values.yaml": "hunter2", "b": "x"}, "Secret prod/hidden": {"values.yaml": "[hunter2"}}
	const at = "environments/prod/environment.yaml:9: "
	for sentence, c := range map[string]struct{ fields, want string }{
		"a word":                          {`values: web.yaml`, at + "values of a release are a list of files and maps, or one map of values"},
		"a number in the list":            {`values: [7]`, at + "an element of values is neither the name of a file nor a map of values"},
		"a map that is encrypted":         {`values: {a: ENC, sops: {mac: x}}`, at + "inline values are encrypted with SOPS: put them into a file"},
		"a kind that holds no values":     {`valuesFrom: [{kind: Deployment, name: x}]`, at + `kind "Deployment" of valuesFrom: use ConfigMap or Secret`},
		"a name that is none":             {`valuesFrom: [{kind: Secret, name: ../x}]`, at + `name "../x" of valuesFrom`},
		"another namespace":               {`valuesFrom: [{kind: Secret, name: x, namespace: kube-system}]`, at + `unknown field "namespace"`},
		"a path that is none":             {`valuesFrom: [{kind: Secret, name: x, targetPath: "a[0"}]`, at + `targetPath "a[0" of valuesFrom`},
		"a path with a value":             {`valuesFrom: [{kind: Secret, name: x, targetPath: "a=b"}]`, at + `targetPath "a=b" of valuesFrom`},
		"a ConfigMap that is not there":   {`valuesFrom: [{kind: ConfigMap, name: absent}]`, at + "release web: ConfigMap prod/absent does not exist: create it, or set optional: true"},
		"a key that is not there":         {`valuesFrom: [{kind: ConfigMap, name: extra, key: c}]`, at + `release web: ConfigMap prod/extra has no key "c"`},
		"a text that is no map":           {`valuesFrom: [{kind: ConfigMap, name: extra}]`, at + "release web: key values.yaml of ConfigMap prod/extra is not a map of values"},
		"a Secret that is no YAML":        {`valuesFrom: [{kind: Secret, name: hidden}]`, at + "release web: key values.yaml of Secret prod/hidden is not a map of values"},
		"a file that should be encrypted": {`values: [open.sops.yaml]`, "environments/prod/open.sops.yaml: is named .sops.yaml and not encrypted: encrypt it"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, _, err := prepared(t, render.Config{References: cluster}, repo(t, release(c.fields)+"-- environments/prod/open.sops.yaml --\na: hunter2\n"))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("have %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestWithoutAClusterReferencesAreRefused(t *testing.T) {
	_, _, err := prepared(t, render.Config{}, repo(t, release(`valuesFrom: [{kind: ConfigMap, name: extra}]`)))
	if err == nil || !strings.Contains(err.Error(), "ConfigMap prod/extra can't be read: there is no cluster to read it from: give --kubeconfig") {
		t.Error(err)
	}
}

// What is away says nothing about the repository.
func TestWhatIsAwayIsNoProblemOfTheRepository(t *testing.T) {
	for name, value := range map[string]string{"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "x", "VAULT_MAX_RETRIES": "0"} {
		t.Setenv(name, value)
	}
	files, k := encrypted(t, "a: secret\n", "")
	elsewhere, _ := encrypted(t, "a: secret\n", "")
	file := elsewhere.(fstest.MapFS)["environments/prod/secrets.sops.yaml"]
	file.Data = []byte(strings.Replace(string(file.Data), "    age:\n", "    hc_vault:\n        - vault_address: http://127.0.0.1:1\n          engine_path: transit\n          key_name: k\n"+
		"          created_at: \"2026-01-01T00:00:00Z\"\n          enc: vault:v1:x\n    age:\n", 1))
	unread := func(context.Context) (*sops.Keys, error) { return nil, errors.New("connection refused") }
	for sentence, c := range map[string]struct {
		config render.Config
		files  fs.FS
		want   string // empty if it is not away
	}{
		"a cluster that values come from": {render.Config{References: things{"ConfigMap prod/extra": nil}}, repo(t, release(`valuesFrom: [{kind: ConfigMap, name: extra}]`)), "release web: read ConfigMap prod/extra: "},
		"a cluster that keys come from":   {render.Config{Keys: unread}, files, "release web: read the keys for SOPS: connection refused"},
		"a key service":                   {render.Config{}, elsewhere, "environments/prod/secrets.sops.yaml can't be decrypted yet: "},
		"nothing of it":                   {render.Config{Keys: withKey(t, k)}, files, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, _, err := prepared(t, c.config, c.files)
			var away *render.AwayError
			if (err == nil) != (c.want == "") || err != nil && (!errors.As(err, &away) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("have %v\nwant %s", err, c.want)
			}
		})
	}
}

// encrypted is a repository whose release has a file of values that is encrypted.
func encrypted(t *testing.T, plain, more string) (fs.FS, *made.Key) {
	t.Helper()
	k, err := made.AgeKey()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := made.Encrypt([]byte(plain), "yaml", nil, k)
	if err != nil {
		t.Fatal(err)
	}
	files := repo(t, release(`values: [values.yaml, secrets.sops.yaml]`)+more)
	files.(fstest.MapFS)["environments/prod/secrets.sops.yaml"] = &fstest.MapFile{Data: raw, Mode: 0o600}
	return files, k
}

func withKey(t *testing.T, k *made.Key) func(context.Context) (*sops.Keys, error) {
	t.Helper()
	keys, err := sops.NewKeys(map[string][]byte{"k": k.Private})
	if err != nil {
		t.Fatal(err)
	}
	return func(context.Context) (*sops.Keys, error) { return keys, nil }
}

func TestAnEncryptedFileIsALayer(t *testing.T) {
	files, k := encrypted(t, "a: secret\n", "")
	p, text, err := prepared(t, render.Config{Keys: withKey(t, k)}, files)
	if err != nil || !strings.Contains(text, `a: "secret"`) || len(p.Unread) > 0 {
		t.Errorf("%v\n%s", err, text)
	}
	if _, _, err := prepared(t, render.Config{}, files); err == nil || !strings.Contains(err.Error(), "environments/prod/secrets.sops.yaml: can't be decrypted: none of its keys is there") {
		t.Error(err)
	}
	missing := func(context.Context) (*sops.Keys, error) {
		return &sops.Keys{}, fmt.Errorf("Secret system/keys: %w", fs.ErrNotExist)
	}
	if _, _, err := prepared(t, render.Config{Keys: missing}, files); err == nil || !strings.Contains(err.Error(), "can't be decrypted: Secret system/keys") {
		t.Error(err)
	}
}

// Without a key or a cluster a lenient renderer leaves values out and says so; what
// it leaves out counts all the same.
func TestWhatIsLeftOutIsSaid(t *testing.T) {
	const schema = "-- charts/web/values.schema.json --\n{\"required\": [\"b\"]}\n"
	files, _ := encrypted(t, "b: secret\n", schema)
	p, text, err := prepared(t, render.Config{Lenient: true}, files)
	if err != nil || !strings.Contains(text, `a: "one"`) || len(p.Unread) != 1 || !strings.Contains(p.Unread[0], "secrets.sops.yaml is encrypted and its key is not here") {
		t.Fatalf("%v %v\n%s", err, p, text)
	}
	other, _ := encrypted(t, "b: secret\n", schema)
	again, _, err := prepared(t, render.Config{Lenient: true}, other)
	if err != nil || again.Digest == p.Digest {
		t.Errorf("another file has the same digest: %v", err)
	}
	p, _, err = prepared(t, render.Config{Lenient: true}, repo(t, release("values: [values.yaml]\nvaluesFrom: [{kind: ConfigMap, name: extra}]")))
	if err != nil || len(p.Unread) != 1 || !strings.Contains(p.Unread[0], "ConfigMap prod/extra of release web was not read") {
		t.Errorf("%v %v", err, p)
	}
}

// What a template or a schema says of a value that is secret is not repeated.
func TestSecretValuesAreNotInErrors(t *testing.T) {
	for sentence, more := range map[string]string{
		"a template that fails":           "-- charts/web/templates/x.yaml --\n{{ fail (printf \"bad password %s, %s\" .Values.password (b64enc .Values.password)) }}\n",
		"a schema that shows it":          "-- charts/web/values.schema.json --\n{\"properties\": {\"password\": {\"pattern\": \"^x\"}}}\n",
		"a short one that a schema shows": "-- charts/web/values.schema.json --\n{\"properties\": {\"pin\": {\"pattern\": \"^x\"}}}\n",
		"a render that is no YAML":        "-- charts/web/templates/x.yaml --\n{{ .Values.password }}: [\n",
		"an object of a kind like it":     "-- charts/web/templates/x.yaml --\n{apiVersion: v1, kind: {{ .Values.password }}, metadata: {labels: {a: b}}}\n",
	} {
		t.Run(sentence, func(t *testing.T) {
			files, k := encrypted(t, "password: hunter2-hunter2\npin: '12'\n", more)
			_, _, err := prepared(t, render.Config{Keys: withKey(t, k)}, files)
			if err == nil {
				t.Fatal("it is taken")
			}
			for _, secret := range []string{"hunter2", "aHVudGVyMi1odW50ZXIy", "'12'"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("it shows: %v", err)
				}
			}
		})
	}
}

// What a release without any of this is identified by stays what it was: another
// digest would roll out every release anew.
func TestTheDigestIsWhatItWas(t *testing.T) {
	p, _, err := prepared(t, render.Config{}, repo(t, release(`values: [values.yaml]`)))
	if err != nil {
		t.Fatal(err)
	}
	if want := "1a91072e55dd014c8c59c51381382cdfab3a6b0d"; p.Digest != want {
		t.Errorf("have %s, want %s", p.Digest, want)
	}
	same, _, err := prepared(t, render.Config{}, repo(t, release(`values: {a: one}`)))
	if err != nil || same.Digest != p.Digest {
		t.Errorf("the same values from elsewhere are another digest: %v", err)
	}
	patched, _, err := prepared(t, render.Config{}, repo(t, release("values: [values.yaml]\npatches: [{target: {kind: ConfigMap}, patch: '[{op: add, path: /data/b, value: c}]'}]")))
	if err != nil || patched.Digest == p.Digest {
		t.Errorf("a patch does not count: %v", err)
	}
}

// Of a field neither state is shown when one of them is secret, cut off or not.
func TestAFieldThatHoldsWhatIsSecretIsMasked(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	files, k := encrypted(t, "password: hunter2-hunter2\nlong: "+long+"x\n", "")
	p, _, err := prepared(t, render.Config{Keys: withKey(t, k)}, files)
	if err != nil {
		t.Fatal(err)
	}
	for sentence, c := range map[string]struct {
		a, b string
		show bool
	}{
		"what became secret":     {`"before"`, `"user:hunter2-hunter2@db"`, false},
		"what was secret":        {`"hunter2-hunter2"`, "(absent)", false},
		"what is cut off":        {`"` + long[:60] + `…`, "(absent)", false},
		"what is something else": {`"before"`, `"hunter"`, true},
		"what is not known":      {`"hunter"`, `"before"`, false},
		"what lies open":         {`"none"`, `"web:v1"`, true},
		"a small number":         {`2`, `50`, true},
		"what was added":         {"(absent)", `{"name":"debug","image":"hunter"}`, false},
	} {
		a, b := c.a, c.b
		if p.MaskDrift(&a, &b); (a == c.a) != c.show || (b == c.b) != c.show {
			t.Errorf("%s: %s, %s", sentence, a, b)
		}
	}
}
