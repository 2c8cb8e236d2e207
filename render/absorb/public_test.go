package absorb_test

import (
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/xetys/tether/render"
)

// public is an environment of a chart each, from a folder of charts in the public style.
func public(t *testing.T, folder string, charts ...string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	releases := ""
	for _, name := range charts {
		releases += "    - {name: " + name + ", chart: charts/" + name + ", values: [" + name + ".yaml]}\n"
		out["environments/prod/"+name+".yaml"] = &fstest.MapFile{Data: []byte("# what we set\n{}\n")}
		err := fs.WalkDir(os.DirFS(folder), name, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			raw, err := os.ReadFile(folder + "/" + path)
			out["charts/"+path] = &fstest.MapFile{Data: raw}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	out["environments/prod/environment.yaml"] = &fstest.MapFile{Data: []byte("apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n  releases:\n" + releases)}
	return out
}

// TestAbsorbOnPublicCharts takes its charts from a folder that TETHER_PUBLIC_CHARTS names: they
// are not kept here.
func TestAbsorbOnPublicCharts(t *testing.T) {
	folder := os.Getenv("TETHER_PUBLIC_CHARTS")
	if folder == "" {
		t.Skip("TETHER_PUBLIC_CHARTS names no folder with the charts podinfo, ingress-nginx and kube-prometheus-stack")
	}
	const (
		info    = "Deployment/podinfo"
		nginx   = "Deployment/ingress-nginx-controller"
		stack   = "kube-prometheus-stack"
		metrics = "Deployment/" + stack + "-kube-state-metrics"
		server  = "Prometheus/" + stack + "-prometheus"
	)
	r := render.NewRenderer(render.Config{Lenient: true})
	for chart, trials := range map[string][]trial{
		"podinfo": {
			{"an image's tag", info, set(pod+"/image", `"ghcr.io/stefanprodan/podinfo:6.14.2"`), "podinfo.yaml image.tag", "tag: 6.14.2"},
			{"replicas", info, set("/spec/replicas", "3"), "podinfo.yaml replicaCount", "replicaCount: 3"},
			{"a variable's value", info, set(pod+"/env/0/value", `"#ff0000"`), "podinfo.yaml ui.color", "color: \"#ff0000\""},
			{"a variable that is added", info, add(pod+"/env/-", `{"name":"DEBUG","value":"1"}`), "podinfo.yaml extraEnvs", "name: DEBUG"},
			{"an argument", info, set(pod+"/command/7", `"--level=debug"`), "podinfo.yaml logLevel", "logLevel: debug"},
			{"a request", info, set(pod+"/resources/requests/memory", `"32Mi"`), "podinfo.yaml resources.requests.memory", "memory: 32Mi"},
			{"a limit that is added", info, add(pod+"/resources/limits", `{"memory":"64Mi"}`), "podinfo.yaml resources.limits", "memory: 64Mi"},
			{"a probe's delay", info, set(pod+"/readinessProbe/initialDelaySeconds", "5"), "podinfo.yaml probes.readiness.initialDelaySeconds", "initialDelaySeconds: 5"},
			{"a probe's period, in both probes", info, `[{"op":"replace","path":"` + pod + `/readinessProbe/periodSeconds","value":20},{"op":"replace","path":"` + pod + `/livenessProbe/periodSeconds","value":20}]`, "podinfo.yaml probes.liveness.periodSeconds, podinfo.yaml probes.readiness.periodSeconds", "periodSeconds: 20"},
			{"a pod's annotation", info, add("/spec/template/metadata/annotations/example.com~1note", `"x"`), "podinfo.yaml podAnnotations.example.com/note", "example.com/note: x"},
			{"an annotation that is deleted", info, gone("/spec/template/metadata/annotations/prometheus.io~1scrape"), patches, "op: remove"},
			{"a label", info, add("/metadata/labels/team", `"blue"`), patches, "team"},
			{"a Service's port", "Service/podinfo", set("/spec/ports/0/port", "9000"), patches, "value: 9000"},
			{"a Service's type", "Service/podinfo", set("/spec/type", `"NodePort"`), patches, "value: NodePort"},
			{"a node selector", info, add("/spec/template/spec/nodeSelector", `{"disk":"ssd"}`), "podinfo.yaml nodeSelector", "disk: ssd"},
			{"an element that is removed", info, gone(pod + "/ports/2"), patches, "op: remove"},
			{"the order of arguments", info, set(pod+"/command", `["./podinfo","--level=info","--port=9898"]`), patches, "command"},
			{"a grace", info, set("/spec/template/spec/terminationGracePeriodSeconds", "60"), patches, "terminationGracePeriodSeconds"},
		},
		"ingress-nginx": {
			{"a ConfigMap's key", "ConfigMap/ingress-nginx-controller", add("/data", `{"use-gzip":"true"}`), "ingress-nginx.yaml controller.config", "use-gzip: \"true\""},
			{"replicas", nginx, set("/spec/replicas", "3"), patches, "value: 3"},
			{"an argument that is added", nginx, add(pod+"/args/-", `"--default-ssl-certificate=default/tls"`), "ingress-nginx.yaml controller.extraArgs.default-ssl-certificate", "default/tls"},
			{"a request", nginx, set(pod+"/resources/requests/cpu", `"200m"`), "ingress-nginx.yaml controller.resources.requests.cpu", "cpu: 200m"},
			{"a probe", nginx, set(pod+"/livenessProbe/failureThreshold", "7"), "ingress-nginx.yaml controller.livenessProbe.failureThreshold", "failureThreshold: 7"},
			{"a Service's annotation", "Service/ingress-nginx-controller", add("/metadata/annotations", `{"example.com/lb":"internal"}`), "ingress-nginx.yaml controller.service.annotations", "internal"},
			{"a Service's policy", "Service/ingress-nginx-controller", add("/spec/externalTrafficPolicy", `"Local"`), "ingress-nginx.yaml controller.service.externalTrafficPolicy", "externalTrafficPolicy: Local"},
			{"the image with its digest", nginx, set(pod+"/image", `"registry.k8s.io/ingress-nginx/controller:v1.15.1"`), "ingress-nginx.yaml controller.image.digest", "digest: "},
			{"a toleration", nginx, add("/spec/template/spec/tolerations", `[{"key":"edge","operator":"Exists"}]`), "ingress-nginx.yaml controller.tolerations", "key: edge"},
			{"a grace", nginx, set("/spec/template/spec/terminationGracePeriodSeconds", "60"), "ingress-nginx.yaml controller.terminationGracePeriodSeconds", "terminationGracePeriodSeconds: 60"},
		},
		stack: {
			{"a retention", server, set("/spec/retention", `"30d"`), stack + ".yaml prometheus.prometheusSpec.retention", "retention: 30d"},
			{"a log's level", server, set("/spec/logLevel", `"debug"`), stack + ".yaml prometheus.prometheusSpec.logLevel", "logLevel: debug"},
			{"a dependency's replicas", metrics, set("/spec/replicas", "2"), stack + ".yaml kube-state-metrics.replicas", "replicas: 2"},
			{"a monitor's interval", "ServiceMonitor/" + stack + "-operator", add("/spec/endpoints/0/interval", `"15s"`), stack + ".yaml prometheusOperator.serviceMonitor.interval", "interval: 15s"},
			{"external labels", server, add("/spec/externalLabels", `{"cluster":"a"}`), stack + ".yaml prometheus.prometheusSpec.externalLabels", "cluster: a"},
			{"a rule's expression, which the chart writes itself", "PrometheusRule/" + stack + "-general.rules", set("/spec/groups/0/rules/0/for", `"20m"`), patches, "20m"},
		},
	} {
		t.Run(chart, func(t *testing.T) {
			files := public(t, folder, chart)
			for _, tt := range trials {
				t.Run(tt.name, func(t *testing.T) { tt.run(t, files, "prod", r) })
			}
		})
	}
}
