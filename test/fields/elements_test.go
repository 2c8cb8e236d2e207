package fields_test

import (
	"strings"
	"testing"
)

const elements = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      volumes: [{name: other, emptyDir: {}}, {name: v, $VOLUME}, {name: p, projected: {sources: [{$SOURCE}]}}]
      initContainers:
      - {name: first, image: "example.com/a:v1", env: [{name: X, value: x}, {name: A, $ENV}]}
      - {name: side, image: "example.com/a:v1", restartPolicy: Always, startupProbe: {$PROBE}}
      containers:
      - {name: other, image: "example.com/a:v1"}
      - {name: web, image: "example.com/a:v1", readinessProbe: {$PROBE}, securityContext: {seccompProfile: {$PROFILE}}, envFrom: [{$FROM}]}`

func elementsWith(volume, source, env, probe, profile, from string) string {
	return strings.NewReplacer("$VOLUME", volume, "$SOURCE", source, "$ENV", env, "$PROBE", probe, "$PROFILE", profile, "$FROM", from).Replace(elements)
}

// before and after differ, in elements of lists, in all that excludes each other.
var (
	elementsBefore = elementsWith("ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}",
		"configMap: {name: c}", "value: a", "httpGet: {port: 80}", "type: Localhost, localhostProfile: a.json", "configMapRef: {name: c}")
	elementsAfter = elementsWith("persistentVolumeClaim: {claimName: c}",
		"secret: {name: c}", "valueFrom: {configMapKeyRef: {name: c, key: k}}", "exec: {command: [a]}", "type: RuntimeDefault", "secretRef: {name: c}")
)

const rule = "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {rules: [{host: other.example.com}, {host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {$BACKEND}}]}}]}}"

const metric = `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web},
  spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nobody}, maxReplicas: 3, metrics: [{$METRIC}, {type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 60}}}]}}`

// In elements of lists, fields that exclude each other make way as everywhere.
func init() {
	for sentence, c := range map[string]struct{ hand, path, want, gone string }{
		"of a volume": {`{"spec":{"template":{"spec":{"volumes":[{"name":"v","persistentVolumeClaim":null,"hostPath":{"path":"/x"}}]}}}}`,
			"{.spec.template.spec.volumes[?(@.name=='v')].persistentVolumeClaim.claimName}", "c", "{.spec.template.spec.volumes[?(@.name=='v')]['ephemeral','hostPath']}"},
		"of a projected volume's source": {`[{"op":"replace","path":"/spec/template/spec/volumes/2/projected/sources/0","value":{"downwardAPI":{"items":[{"path":"a","fieldRef":{"fieldPath":"metadata.name"}}]}}}]`,
			"{.spec.template.spec.volumes[?(@.name=='p')].projected.sources[0].secret.name}", "c", "{.spec.template.spec.volumes[?(@.name=='p')].projected.sources[0]['configMap','downwardAPI']}"},
		"of an init container's variable": {`{"spec":{"template":{"spec":{"initContainers":[{"name":"first","env":[{"name":"A","valueFrom":null,"value":"hand"}]}]}}}}`,
			"{.spec.template.spec.initContainers[0].env[?(@.name=='A')].valueFrom.configMapKeyRef.key}", "k", "{.spec.template.spec.initContainers[0].env[?(@.name=='A')].value}"},
		"of a variable that refers to another thing": {`{"spec":{"template":{"spec":{"initContainers":[{"name":"first","env":[{"name":"A","valueFrom":{"configMapKeyRef":null,"secretKeyRef":{"name":"s","key":"k"}}}]}]}}}}`,
			"{.spec.template.spec.initContainers[0].env[?(@.name=='A')].valueFrom.configMapKeyRef.key}", "k", "{.spec.template.spec.initContainers[0].env[?(@.name=='A')].valueFrom.secretKeyRef}"},
		"of a sidecar's probe": {`{"spec":{"template":{"spec":{"initContainers":[{"name":"side","startupProbe":{"exec":null,"tcpSocket":{"port":81}}}]}}}}`,
			"{.spec.template.spec.initContainers[1].startupProbe.exec.command[0]}", "a", "{.spec.template.spec.initContainers[1].startupProbe['httpGet','tcpSocket']}"},
		"of the second container's probe": {`{"spec":{"template":{"spec":{"containers":[{"name":"web","readinessProbe":{"exec":null,"httpGet":{"port":81}}}]}}}}`,
			"{.spec.template.spec.containers[1].readinessProbe.exec.command[0]}", "a", "{.spec.template.spec.containers[1].readinessProbe.httpGet}"},
		"of a container's profile": {`{"spec":{"template":{"spec":{"containers":[{"name":"web","securityContext":{"seccompProfile":{"type":"Localhost","localhostProfile":"b.json"}}}]}}}}`,
			"{.spec.template.spec.containers[1].securityContext.seccompProfile.type}", "RuntimeDefault", "{.spec.template.spec.containers[1].securityContext.seccompProfile.localhostProfile}"},
		"of where variables come from": {`[{"op":"replace","path":"/spec/template/spec/containers/1/envFrom/0","value":{"configMapRef":{"name":"d"}}}]`,
			"{.spec.template.spec.containers[1].envFrom[0].secretRef.name}", "c", "{.spec.template.spec.containers[1].envFrom[0].configMapRef}"},
	} {
		each["an element "+sentence] = excluding{before: elementsBefore, after: elementsAfter, hand: c.hand, what: "deployment/web", path: c.path, want: c.want, gone: c.gone}
	}
	with := func(text, what, by string) string { return strings.Replace(text, what, by, 1) }
	each["an element of an Ingress's paths"] = excluding{
		before: with(rule, "$BACKEND", "service: {name: web, port: {number: 80}}"), after: with(rule, "$BACKEND", "resource: {apiGroup: example.com, kind: Bucket, name: b}"),
		hand: `[{"op":"replace","path":"/spec/rules/1/http/paths/0/backend","value":{"service":{"name":"hand","port":{"name":"http"}}}}]`,
		what: "ingress/web", path: "{.spec.rules[1].http.paths[0].backend.resource.name}", want: "b", gone: "{.spec.rules[1].http.paths[0].backend.service}"}
	each["an element of an autoscaler's metrics"] = excluding{
		before: with(metric, "$METRIC", "type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}"),
		after:  with(metric, "$METRIC", "type: Pods, pods: {metric: {name: m}, target: {type: AverageValue, averageValue: 100m}}"),
		hand:   `[{"op":"replace","path":"/spec/metrics/0","value":{"type":"External","external":{"metric":{"name":"e"},"target":{"type":"Value","value":"3"}}}}]`,
		what:   "hpa/web", path: "{.spec.metrics[0].pods.metric.name}", want: "m", gone: "{.spec.metrics[0]['resource','external']}"}
	// By its number a port is told from others, and two of one name are refused.
	const ports = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: other, port: 90}, {name: http, port: $PORT}]}}"
	each["a Service's port, another one of its name"] = excluding{before: with(ports, "$PORT", "81"), after: with(ports, "$PORT", "80"),
		hand: `[{"op":"replace","path":"/spec/ports/1/port","value":83}]`,
		what: "service/web", path: "{.spec.ports[*].port}", want: "90 80", gone: "{.spec.ports[?(@.port==83)].port}"}
	each["a container's port, another one of its name"] = excluding{
		before: with(plain, "[{containerPort: 80}]", "[{name: http, containerPort: 81}]"), after: with(plain, "[{containerPort: 80}]", "[{name: http, containerPort: 80}]"),
		hand: `[{"op":"replace","path":"/spec/template/spec/containers/0/ports/0/containerPort","value":83}]`,
		what: "deployment/web", path: "{.spec.template.spec.containers[0].ports[*].containerPort}", want: "80", gone: "{.spec.template.spec.containers[0].ports[?(@.containerPort==83)].containerPort}"}
}

// Of what a person added to a list only the element that is in the way goes.
func TestOnlyTheElementInTheWayGoes(t *testing.T) {
	w := newWorld(t)
	service := "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80}]}}"
	w.deploy(service)
	w.kubectl("patch", "service/web", "--type", "json", "--patch", `[{"op":"replace","path":"/spec/ports/0/port","value":83},{"op":"add","path":"/spec/ports/-","value":{"name":"mine","port":99}}]`)
	w.deploy(strings.ReplaceAll(service, "name: web}", "name: web, labels: {a: b}}"))
	w.holds("service/web", "{.spec.ports[?(@.name=='http')].port} {.spec.ports[?(@.name=='mine')].port}", "80 99")
}
