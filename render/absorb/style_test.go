package absorb_test

import (
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render"
)

// What public charts do and the tenant's do not: names that each render makes anew, values that
// are a whole map of the object's, arguments from a map, an image with a digest.
func TestAbsorbOnAChartInThePublicStyle(t *testing.T) {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"environments/prod/environment.yaml": "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [web.yaml]}\n",
		"environments/prod/web.yaml":         "# what we set\nimage: {tag: v1}\n",
		"charts/web/Chart.yaml":              "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"charts/web/values.yaml":             "image: {tag: v0, digest: \"sha256:0123456789abcdef\"}\nport: 80\nconfig: {}\nextraArgs: {}\nother: {}\n",
		"charts/web/templates/all.yaml": `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          image: "example.com/web:{{ .Values.image.tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}"
          args:
            - --port={{ .Values.port }}
            {{- range $k, $v := .Values.extraArgs }}
            - --{{ $k }}={{ $v }}
            {{- end }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
{{- with .Values.config }}
data: {{ toYaml . | nindent 2 }}
{{- end }}
---
apiVersion: v1
kind: Secret
metadata: {name: "web-{{ randAlphaNum 5 | lower }}", annotations: {helm.sh/hook: pre-install}}
stringData: {made: {{ randAlphaNum 20 | quote }}, port: "{{ .Values.port }}"}
`,
		"charts/web/templates/tests/grpc.yaml": `
apiVersion: v1
kind: Pod
metadata:
  name: "{{ .Release.Name }}-test-{{ randAlphaNum 5 | lower }}"
  annotations: {helm.sh/hook: test}
spec: {containers: [{name: test, image: "example.com/test:1"}]}
`,
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	const web, args = "Deployment/web", "/spec/template/spec/containers/0/args"
	r := render.NewRenderer(render.Config{Lenient: true})
	for _, tt := range []trial{
		{"a tag, beside objects that have another name each time", web, set(pod+"/image", `"example.com/web:v2@sha256:0123456789abcdef"`), "web.yaml image.tag", "tag: v2"},
		{"a digest that goes", web, set(pod+"/image", `"example.com/web:v1"`), "web.yaml image.digest", "digest: "},
		{"all data of a ConfigMap", "ConfigMap/web", add("/data", `{"level":"debug"}`), "web.yaml config", "level: debug"},
		{"an argument more", web, add(args+"/-", `"--level=debug"`), "web.yaml extraArgs.level", "level: debug"},
		{"two arguments more", web, `[{"op":"add","path":"` + args + `/-","value":"--a=1"},{"op":"add","path":"` + args + `/-","value":"--b=2"}]`, "web.yaml extraArgs.a, extraArgs.b", "b: \"2\""},
		{"what an object of another name each time has too", web, set(args+"/0", `"--port=81"`), patches, "--port=81"},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, files, "prod", r) })
	}
}
