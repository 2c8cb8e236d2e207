package absorb_test

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/absorb"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/render/worker"
)

func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}

// trial is an edit by hand, as JSON 6902 operations, and what becomes of it: the file and
// the keys, or an error's text with "error: " before it.
type trial struct{ name, object, edit, want, holds string }

func (tt trial) run(t *testing.T, files fs.FS, environment string, r *render.Renderer) {
	opts := render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}
	release, before, object := find(t, files, environment, r, opts, tt.object)
	live := edited(t, object, tt.edit)
	e := absorb.Edit{Release: release, ID: object.ID(), Live: live, Fields: drift.Compare(live, object.Unstructured)}
	if len(e.Fields) == 0 {
		t.Fatal("the edit changes nothing")
	}
	got, err := (&absorb.Absorber{Files: files, Renderer: r, Options: opts}).Absorb(context.Background(), environment, []absorb.Edit{e})
	if err != nil {
		t.Fatal(err)
	}
	if why, ok := strings.CutPrefix(tt.want, "error: "); ok {
		if len(got.Left) == 0 || len(got.Changes) > 0 || !strings.Contains(got.Left[0].Why, why) {
			t.Fatalf("%+v; want it left, since %s", got, why)
		}
		return
	}
	if len(got.Left) > 0 || len(got.Changes) == 0 {
		t.Fatalf("%+v", got)
	}
	after := overlay(t, files, got)
	_, rendered, now := find(t, after, environment, r, opts, tt.object)
	if left := drift.Compare(live, now.Unstructured); len(left) > 0 {
		t.Fatalf("drift is left: %+v", left)
	}
	for i, o := range rendered.Objects {
		if was := before.Objects[i]; o.ID() != object.ID() && len(drift.Compare(o.Unstructured, was.Unstructured)) > 0 {
			t.Fatalf("%s changed too", o.ID())
		}
	}
	var keys []string
	for _, f := range got.Absorbed {
		if key := path.Base(f.File) + " " + f.Key; len(keys) == 0 || keys[len(keys)-1] != key {
			keys = append(keys, key)
		}
	}
	if text := strings.Join(keys, ", "); text != tt.want {
		t.Fatalf("it went to %s, not %s: %+v", text, tt.want, got.Absorbed)
	}
	if !strings.Contains(string(got.Changes[0].After), tt.holds) {
		t.Fatalf("%s\nhas not %s", got.Changes[0].After, tt.holds)
	}
}

// find renders an environment until it has an object.
func find(t *testing.T, files fs.FS, environment string, r *render.Renderer, opts render.Options, name string) (string, *manifest.Release, manifest.Object) {
	t.Helper()
	env, err := render.LoadEnvironment(files, environment)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range env.Releases {
		p, err := r.Prepare(context.Background(), files, env, spec)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := r.Render(context.Background(), p, opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range rel.Objects {
			if o.GetKind()+"/"+o.GetName() == name {
				return spec.Name, rel, o
			}
		}
	}
	t.Fatalf("%s is not rendered", name)
	return "", nil, manifest.Object{}
}

func edited(t *testing.T, o manifest.Object, operations string) *unstructured.Unstructured {
	t.Helper()
	raw, err := o.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	p, err := jsonpatch.DecodePatch([]byte(operations))
	if err == nil {
		raw, err = p.Apply(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return u
}

func overlay(t *testing.T, files fs.FS, got *absorb.Result) fs.FS {
	t.Helper()
	out := fstest.MapFS{}
	maps.Copy(out, files.(fstest.MapFS))
	for _, c := range got.Changes {
		out[c.File] = &fstest.MapFile{Data: c.After}
	}
	return out
}

// tenant is the tenant's part of this repository.
func tenant(t *testing.T) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	root := os.DirFS("../..")
	for _, dir := range []string{"environments/production", "charts/xuangong-app", "charts/xuangong-backend", "charts/postgresql"} {
		err := fs.WalkDir(root, dir, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			raw, err := fs.ReadFile(root, name)
			out[name] = &fstest.MapFile{Data: raw}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

const (
	app     = "Deployment/xuangong-app"
	inApp   = "xuangong-app.yaml "
	pod     = `/spec/template/spec/containers/0`
	patches = "environment.yaml patches"
)

func set(at, to string) string {
	return `[{"op":"replace","path":"` + at + `","value":` + to + `}]`
}
func add(at, to string) string { return `[{"op":"add","path":"` + at + `","value":` + to + `}]` }
func gone(at string) string    { return `[{"op":"remove","path":"` + at + `"}]` }

func TestAbsorbOnTheTenantsCharts(t *testing.T) {
	const labels, annotations = "/spec/template/metadata/labels/", "/spec/template/metadata/annotations/"
	files, r := tenant(t), render.NewRenderer(render.Config{Lenient: true})
	for _, tt := range []trial{
		{"an image's tag, which a label has too", app, `[{"op":"replace","path":"` + pod + `/image","value":"ghcr.io/xetys/xuangong/app:v2025.1.0-alpha12"},{"op":"replace","path":"/metadata/labels/app.kubernetes.io~1version","value":"v2025.1.0-alpha12"}]`, inApp + "image.tag", "tag: v2025.1.0-alpha12\n"},
		{"an image alone, of which the tag is in a label too", app, set(pod+"/image", `"ghcr.io/xetys/xuangong/app:v2025.1.0-alpha12"`), patches, "value: ghcr.io/xetys/xuangong/app:v2025.1.0-alpha12"},
		{"a tag that the environment does not allow", app, set(pod+"/image", `"ghcr.io/xetys/xuangong/app:latest"`), "error: its tag latest", ""},
		{"the number of replicas of an autoscaler", "HorizontalPodAutoscaler/xuangong-app", set("/spec/maxReplicas", "20"), inApp + "autoscaling.maxReplicas", "maxReplicas: 20"},
		{"a limit in a flow map", app, set(pod+"/resources/limits/memory", `"512Mi"`), inApp + "resources.limits.memory", "limits: {cpu: 200m, memory: 512Mi}"},
		{"a request that is new", app, add(pod+"/resources/requests/ephemeral-storage", `"1Gi"`), inApp + "resources.requests.ephemeral-storage", "requests: {cpu: 50m, memory: 64Mi, ephemeral-storage: 1Gi}"},
		{"a limit that is deleted", app, gone(pod + "/resources/limits/cpu"), inApp + "resources.limits.cpu", "limits: {"},
		{"a probe's period", app, set(pod+"/readinessProbe/periodSeconds", "20"), inApp + "probes.readiness.periodSeconds", "probes:\n  readiness:\n    periodSeconds: 20\n"},
		{"a pod's annotation", app, add(annotations+"example.com~1note", `"x"`), inApp + "podAnnotations.example.com/note", "podAnnotations:\n  example.com/note: x\n"},
		{"a pod's label", app, add(labels+"team", `"blue"`), inApp + "podLabels.team", "podLabels:\n  team: blue\n"},
		{"a variable", app, add(pod+"/env", `[{"name":"DEBUG","value":"1"}]`), patches, "path: /spec/template/spec/containers/0/env"},
		{"an ingress' host in all its places", "Ingress/xuangong-app", `[{"op":"replace","path":"/spec/rules/0/host","value":"new.stytex.cloud"},{"op":"replace","path":"/spec/tls/0/hosts/0","value":"new.stytex.cloud"}]`, inApp + "ingress.host", "host: new.stytex.cloud"},
		{"an ingress' annotation", "Ingress/xuangong-app", add("/metadata/annotations/nginx.ingress.kubernetes.io~1proxy-body-size", `"8m"`), inApp + "ingress.annotations.nginx.ingress.kubernetes.io/proxy-body-size", "  annotations:\n    nginx.ingress.kubernetes.io/proxy-body-size: 8m\n"},
		{"an annotation's value that has a comment", "Ingress/xuangong-backend", set("/metadata/annotations/nginx.ingress.kubernetes.io~1proxy-body-size", `"200m"`), "xuangong-backend.yaml ingress.annotations.nginx.ingress.kubernetes.io/proxy-body-size", "proxy-body-size: 200m # videos are uploaded"},
		{"the issuer of a certificate", "Ingress/xuangong-app", set("/metadata/annotations/cert-manager.io~1cluster-issuer", `"letsencrypt-staging"`), inApp + "ingress.tls.clusterIssuer", "clusterIssuer: letsencrypt-staging"},
		{"a Service's port", "Service/xuangong-app", set("/spec/ports/0/port", "80"), inApp + "service.port", "service:\n  port: 80\n"},
		{"a ConfigMap's key, whose hash the pods have", "ConfigMap/xuangong-app", set("/data/API_URL", `"https://x.stytex.cloud"`), patches, "path: /data/API_URL"},
		{"a toleration", app, add("/spec/template/spec/tolerations", `[{"key":"a","operator":"Exists"}]`), inApp + "tolerations", "tolerations:\n  - key: a\n    operator: Exists\n"},
		{"a node selector", app, add("/spec/template/spec/nodeSelector", `{"disk":"ssd"}`), inApp + "nodeSelector", "nodeSelector:\n  disk: ssd\n"},
		{"a priority class", app, add("/spec/template/spec/priorityClassName", `"high"`), inApp + "priorityClassName", "priorityClassName: high\n"},
		{"one more pull secret", app, add("/spec/template/spec/imagePullSecrets/-", `{"name":"other"}`), inApp + "imagePullSecrets", "imagePullSecrets:\n  - name: regcred\n  - name: other\n"},
		{"a pull secret that goes", app, gone("/spec/template/spec/imagePullSecrets"), inApp + "imagePullSecrets", "imagePullSecrets: "},
		{"a port's number, which the chart writes itself", app, set(pod+"/ports/0/containerPort", "9090"), patches, "path: /spec/template/spec/containers/0/name\n"},
		{"a lifecycle hook that is deleted", app, gone(pod + "/lifecycle"), patches, "op: remove"},
		{"a second container", app, add("/spec/template/spec/containers/-", `{"name":"debug","image":"ghcr.io/xetys/xuangong/debug:v2025.1.0"}`), patches, "path: /spec/template/spec/containers/1"},
		{"a policy's peer that is another", "NetworkPolicy/xuangong-app", set("/spec/ingress/0/from/0/namespaceSelector/matchLabels/kubernetes.io~1metadata.name", `"traefik"`), inApp + "networkPolicy.fromNamespaces[0]", "networkPolicy:\n  fromNamespaces:\n    - traefik\n"},
		{"how many may be away", "PodDisruptionBudget/xuangong-app", set("/spec/minAvailable", "2"), inApp + "podDisruptionBudget.minAvailable", "minAvailable: 2"},
		{"a database's schedule of backups", "CronJob/xuangong-prod-postgresql-backup", set("/spec/schedule", `"0 4 * * *"`), "xuangong-backend.yaml postgresql.backup.cronjob.schedule", "schedule: \"0 4 * * *\""},
		{"a variable whose name says that it is secret", app, add(pod+"/env", `[{"name":"DB_PASSWORD","value":"hunter2"}]`), "error: says that it is secret", ""},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, files, "production", r) })
	}
}
