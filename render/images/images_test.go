package images_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/images"
	"github.com/xetys/tether/render/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}

// repository has a chart with two images, and two environments that share values.
func repository(environment string, more map[string]string) fs.FS {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"charts/web/Chart.yaml":  "apiVersion: v2\nname: web\nversion: 1.0.0\nappVersion: v0\n",
		"charts/web/values.yaml": "image: {repository: example.com/web, tag: v0, version: unused}\nsidecar: {image: 'example.com/side:v0'}\nother: {tag: unused}\n",
		"charts/web/templates/web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {a: b}}
  template:
    metadata: {labels: {a: b}}
    spec:
      containers:
        - {name: web, image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}{{ .Values.digest }}"}
        {{- if .Values.sidecar.image }}
        - {name: side, image: "{{ .Values.sidecar.image }}"}
        {{- end }}
`,
		"environments/prod/environment.yaml":  "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n  releases:\n" + environment,
		"environments/stage/environment.yaml": "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: stage}\nspec:\n  namespace: stage\n  releases:\n    - {name: web, chart: charts/web, values: [/values/shared.yaml]}\n",
		"environments/prod/web.yaml":          "sidecar: {image: null} # none\nimage:\n  tag: v1 # what runs\n",
		"environments/prod/late.yaml":         "{}\n",
		"values/shared.yaml":                  "sidecar: {image: null}\nimage: {tag: v1}\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	for name, text := range more {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestSetTag(t *testing.T) {
	const inFile = "    - {name: web, chart: charts/web, values: [web.yaml]}\n"
	tests := []struct {
		name, environment string
		more              map[string]string
		key, tag          string
		file, want        string // the file's new content, or an error's text with "error: " before it
	}{
		{"the file that sets the tag is changed", inFile, nil, "", "v2", "environments/prod/web.yaml", "sidecar: {image: null} # none\nimage:\n  tag: v2 # what runs\n"},
		{"a tag that is there already changes nothing", inFile, nil, "", "v1", "", ""},
		{"what the chart sets goes into the last file", "    - {name: web, chart: charts/web, values: [web.yaml, late.yaml]}\n", map[string]string{"environments/prod/web.yaml": "sidecar: {image: null}\n"},
			"", "v2", "environments/prod/late.yaml", "{image: {tag: v2}}\n"},
		{"values that stand in environment.yaml are changed there", "    - name: web\n      chart: charts/web\n      values:\n        - web.yaml\n        - image: {tag: v1} # here\n", nil,
			"", "v2", "environments/prod/environment.yaml", "        - image: {tag: v2} # here\n"},
		{"so are those that are one map", "    - name: web\n      chart: charts/web\n      values: {sidecar: {image: null}, image: {tag: v1}}\n", nil,
			"", "v2", "environments/prod/environment.yaml", "      values: {sidecar: {image: null}, image: {tag: v2}}\n"},
		{"what others use too is overruled in a later file", "    - {name: web, chart: charts/web, values: [/values/shared.yaml, late.yaml]}\n", nil,
			"", "v2", "environments/prod/late.yaml", "{image: {tag: v2}}\n"},
		{"and not where there is none", "    - {name: web, chart: charts/web, values: [/values/shared.yaml]}\n", nil, "", "v2", "", "error: values/shared.yaml, which other releases use too"},
		{"nor where the release's own comes before", "    - {name: web, chart: charts/web, values: [late.yaml, /values/shared.yaml]}\n", nil, "", "v2", "", "error: give the release a values file of its own after it"},
		{"without any values file there is no place", "    - {name: web, chart: charts/web}\n", nil, "image.tag", "v2", "", "error: no values file of its own"},
		{"several keys have to be told apart", inFile, map[string]string{"environments/prod/web.yaml": "image: {tag: v1}\n"}, "", "v2", "",
			"error: 2 keys of its values decide images, name one with --key: image.tag (example.com/web:v1); sidecar.image (example.com/side:v0)"},
		{"the scheme of versions tells which is meant", inFile + "  versioning: {pattern: 'v[0-9]+', images: [example.com/side]}\n", map[string]string{"environments/prod/web.yaml": "image: {tag: v1}\n"}, "", "v2", "environments/prod/web.yaml",
			"image: {tag: v1}\nsidecar:\n  image: example.com/side:v2\n"},
		{"what the scheme of versions does not allow is refused", inFile + "  versioning: {pattern: 'v[0-9]+'}\n", nil, "", "v2-dirty", "", "error: environments/prod/web.yaml:3: release web: image example.com/web:v2-dirty: its tag v2-dirty is not as versioning.pattern"},
		{"from what it does not allow one gets away", inFile + "  versioning: {pattern: 'v[2-9]+'}\n", nil, "", "v2", "environments/prod/web.yaml", "sidecar: {image: null} # none\nimage:\n  tag: v2 # what runs\n"},
		{"a key that is named is taken, with the image's name", inFile, map[string]string{"environments/prod/web.yaml": "image: {tag: v1}\n"}, "sidecar.image", "v2", "environments/prod/web.yaml",
			"image: {tag: v1}\nsidecar:\n  image: example.com/side:v2\n"},
		{"a key that decides nothing is refused", inFile, nil, "other.tag", "v2", "", "error: other.tag = v2 changes no image (example.com/web:v1)"},
		{"an image that a digest decides is refused", inFile, map[string]string{"environments/prod/web.yaml": "sidecar: {image: null}\ndigest: '@sha256:0123'\nimage: {tag: v1}\n"},
			"image.tag", "v2", "", "error: pinned by its digest sha256:0123"},
		{"a number is a tag, in quotes", inFile, nil, "", "1.10", "environments/prod/web.yaml", "image:\n  tag: \"1.10\" # what runs\n"},
		{"what the schema refuses is refused", inFile, map[string]string{"charts/web/values.schema.json": `{"properties": {"image": {"properties": {"tag": {"pattern": "^v"}}}}}`},
			"image.tag", "2", "", "error: at '/image/tag'"},
		{"an encrypted file is left to sops", inFile, map[string]string{"environments/prod/web.yaml": "image: {tag: v1}\nsops: {mac: x, version: 3.9.0}\n"}, "image.tag", "v2", "", "error: sops"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := repository(tt.environment, tt.more)
			env, err := render.LoadEnvironment(files, "prod")
			if err != nil {
				t.Fatal(err)
			}
			r := &images.Repository{Files: files, Renderer: render.NewRenderer(render.Config{Lenient: true}), Options: render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}}
			c, err := r.SetTag(context.Background(), env, env.Releases[0], tt.key, tt.tag)
			if want, ok := strings.CutPrefix(tt.want, "error: "); ok {
				if err == nil || c != nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("%+v, %v; want an error with %q", c, err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if c != nil {
					t.Fatalf("%+v", c)
				}
				return
			}
			if c.File != tt.file || !strings.Contains(string(c.After), tt.want) {
				t.Fatalf("%s\n%s\nwant %s\n%s", c.File, c.After, tt.file, tt.want)
			}
		})
	}
}

// A release gets the images that it runs in another environment of another revision, and
// nothing else of it.
func TestPromote(t *testing.T) {
	const list = "    - {name: web, chart: charts/web, values: [web.yaml]}\n"
	at := func(text string) *images.Repository {
		return &images.Repository{Files: repository(list, map[string]string{"environments/prod/web.yaml": text}), Renderer: render.NewRenderer(render.Config{}),
			Options: render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}}
	}
	here := at("replicas: 3\nimage: {tag: v1}\nsidecar: {image: 'example.com/side:v1'}\n")
	there := at("replicas: 1\nimage: {tag: v2}\nsidecar: {image: 'example.com/side:v3'}\n")
	changes, err := here.Promote(context.Background(), "prod", there, "prod", "web")
	if err != nil || len(changes) != 2 {
		t.Fatalf("%+v, %v", changes, err)
	}
	merged := images.Merge(changes)
	if len(merged) != 1 || string(merged[0].After) != "replicas: 3\nimage: {tag: v2}\nsidecar: {image: 'example.com/side:v3'}\n" {
		t.Fatalf("%s", merged[0].After)
	}
	if again, err := here.With(changes[1]).Promote(context.Background(), "prod", there, "prod", "web"); err != nil || len(again) != 0 {
		t.Fatalf("once more: %+v, %v", again, err)
	}
}
