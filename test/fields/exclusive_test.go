package fields_test

import (
	"strings"
	"testing"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  $STRATEGY
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      volumes: [{name: other, emptyDir: {}}, {name: v, $VOLUME}]
      containers:
      - name: web
        image: example.com/web:v1
        ports: [{containerPort: 80}]
        env: [{name: A, $ENV}, {name: B, value: stays}]
        livenessProbe: {$PROBE}
        lifecycle: {postStart: {$HOOK}}`

func deploymentWith(strategy, volume, env, probe, hook string) string {
	return strings.NewReplacer("$STRATEGY", strategy, "$VOLUME", volume, "$ENV", env, "$PROBE", probe, "$HOOK", hook).Replace(deployment)
}

var plain = deploymentWith("", "emptyDir: {}", "value: a", "httpGet: {port: 80}", "exec: {command: [a]}")

// excluding is a pair of manifests of which one sets a field that excludes one of the other.
type excluding struct {
	before, after string
	hand          string // what a person does to the latter: kubectl patch, of what, with what
	what          string
	path, want    string // what is there in the end
	gone          string // what is not
}

var each = map[string]excluding{
	"strategy": {before: plain, after: strings.Replace(plain, "replicas: 1", "replicas: 1\n  strategy: {type: Recreate}", 1),
		hand: `{"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":3}}}}`,
		what: "deployment/web", path: "{.spec.strategy.type}", want: "Recreate", gone: "{.spec.strategy.rollingUpdate}"},
	"volume source": {before: plain, after: strings.Replace(plain, "{name: v, emptyDir: {}}", "{name: v, configMap: {name: c}}", 1),
		hand: `{"spec":{"template":{"spec":{"volumes":[{"name":"v","configMap":null,"emptyDir":{"medium":"Memory"}}]}}}}`,
		what: "deployment/web", path: "{.spec.template.spec.volumes[?(@.name=='v')].configMap.name}", want: "c", gone: "{.spec.template.spec.volumes[?(@.name=='v')].emptyDir}"},
	"volume source that is a default": {before: strings.Replace(plain, "{name: v, emptyDir: {}}", "{name: v}", 1), after: strings.Replace(plain, "{name: v, emptyDir: {}}", "{name: v, secret: {secretName: c}}", 1),
		hand: `{"spec":{"template":{"spec":{"volumes":[{"name":"v","secret":null}]}}}}`,
		what: "deployment/web", path: "{.spec.template.spec.volumes[?(@.name=='v')].secret.secretName}", want: "c", gone: "{.spec.template.spec.volumes[?(@.name=='v')].emptyDir}"},
	"probe, tcpSocket": {before: plain, after: strings.Replace(plain, "httpGet: {port: 80}", "tcpSocket: {port: 80}", 1),
		hand: `{"spec":{"template":{"spec":{"containers":[{"name":"web","livenessProbe":{"tcpSocket":null,"httpGet":{"port":81}}}]}}}}`,
		what: "deployment/web", path: "{.spec.template.spec.containers[0].livenessProbe.tcpSocket.port}", want: "80", gone: "{.spec.template.spec.containers[0].livenessProbe.httpGet}"},
	"probe, exec": {before: plain, after: strings.Replace(plain, "httpGet: {port: 80}", "exec: {command: [x]}", 1),
		hand: `{"spec":{"template":{"spec":{"containers":[{"name":"web","livenessProbe":{"exec":null,"grpc":{"port":81}}}]}}}}`,
		what: "deployment/web", path: "{.spec.template.spec.containers[0].livenessProbe.exec.command[0]}", want: "x", gone: "{.spec.template.spec.containers[0].livenessProbe.grpc}"},
	"probe, grpc": {before: plain, after: strings.Replace(plain, "httpGet: {port: 80}", "grpc: {port: 80}", 1),
		hand: `{"spec":{"template":{"spec":{"containers":[{"name":"web","livenessProbe":{"grpc":null,"httpGet":{"port":81}}}]}}}}`,
		what: "deployment/web", path: "{.spec.template.spec.containers[0].livenessProbe.grpc.port}", want: "80", gone: "{.spec.template.spec.containers[0].livenessProbe.httpGet}"},
	"lifecycle hook": {before: plain, after: strings.Replace(plain, "exec: {command: [a]}", "httpGet: {port: 80}", 1),
		hand: `{"spec":{"template":{"spec":{"containers":[{"name":"web","lifecycle":{"postStart":{"httpGet":null,"exec":{"command":["b"]}}}}]}}}}`,
		what: "deployment/web", path: "{.spec.template.spec.containers[0].lifecycle.postStart.httpGet.port}", want: "80", gone: "{.spec.template.spec.containers[0].lifecycle.postStart.exec}"},
	"env, valueFrom": {before: plain, after: strings.Replace(plain, "value: a}", "valueFrom: {fieldRef: {fieldPath: metadata.name}}}", 1),
		hand: `{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","valueFrom":null,"value":"hand"}]}]}}}}`,
		what: "deployment/web", path: "{.spec.template.spec.containers[0].env[?(@.name=='A')].valueFrom.fieldRef.fieldPath}", want: "metadata.name",
		gone: "{.spec.template.spec.containers[0].env[?(@.name=='A')].value}"},
	"env, value": {before: strings.Replace(plain, "value: a}", "valueFrom: {fieldRef: {fieldPath: metadata.name}}}", 1), after: plain,
		hand: `{"spec":{"template":{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":null,"valueFrom":{"configMapKeyRef":{"name":"c","key":"k"}}}]}]}}}}`,
		what: "deployment/web", path: "{.spec.template.spec.containers[0].env[?(@.name=='A')].value}", want: "a",
		gone: "{.spec.template.spec.containers[0].env[?(@.name=='A')].valueFrom}"},
	"disruption budget": {
		before: "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}",
		after:  "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}}",
		hand:   `{"spec":{"maxUnavailable":null,"minAvailable":2}}`,
		what:   "pdb/web", path: "{.spec.maxUnavailable}", want: "1", gone: "{.spec.minAvailable}"},
	"session affinity": {
		before: "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {sessionAffinity: ClientIP, selector: {app: web}, ports: [{port: 80}]}}",
		after:  "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {sessionAffinity: None, selector: {app: web}, ports: [{port: 80}]}}",
		hand:   `{"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":7}}}}`,
		what:   "service/web", path: "{.spec.sessionAffinity}", want: "None", gone: "{.spec.sessionAffinityConfig}"},
	"ingress backend": {
		before: "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}",
		after:  "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {defaultBackend: {resource: {apiGroup: example.com, kind: Bucket, name: b}}}}",
		hand:   `{"spec":{"defaultBackend":{"resource":null,"service":{"name":"web","port":{"number":81}}}}}`,
		what:   "ingress/web", path: "{.spec.defaultBackend.resource.name}", want: "b", gone: "{.spec.defaultBackend.service}"},
	"ingress port": {
		before: "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}",
		after:  "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: web}, spec: {defaultBackend: {service: {name: web, port: {name: http}}}}}",
		hand:   `{"spec":{"defaultBackend":{"service":{"port":{"name":null,"number":81}}}}}`,
		what:   "ingress/web", path: "{.spec.defaultBackend.service.port.name}", want: "http", gone: "{.spec.defaultBackend.service.port.number}"},
	"autoscaler metric": {
		before: strings.ReplaceAll(scaler, "$TARGET", "type: Utilization, averageUtilization: 60"), after: strings.ReplaceAll(scaler, "$TARGET", "type: AverageValue, averageValue: 100m"),
		hand: `[{"op":"replace","path":"/spec/metrics/0/resource/target","value":{"type":"Utilization","averageUtilization":70}}]`,
		what: "hpa/web", path: "{.spec.metrics[0].resource.target.averageValue}", want: "100m", gone: "{.spec.metrics[0].resource.target.averageUtilization}"},
	"update strategy of a StatefulSet": {
		before: strings.ReplaceAll(stateful, "$TYPE", "RollingUpdate"), after: strings.ReplaceAll(stateful, "$TYPE", "OnDelete"),
		hand: `{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":3}}}}`,
		what: "statefulset/web", path: "{.spec.updateStrategy.type}", want: "OnDelete", gone: "{.spec.updateStrategy.rollingUpdate}"},
	"webhook": {
		before: strings.ReplaceAll(webhook, "$WHERE", "service: {name: web, namespace: $NS, path: /x}"), after: strings.ReplaceAll(webhook, "$WHERE", "url: 'https://example.com/x'"),
		hand: `[{"op":"replace","path":"/webhooks/0/clientConfig","value":{"service":{"name":"web","namespace":"other","path":"/y"}}}]`,
		what: "validatingwebhookconfiguration/$NS", path: "{.webhooks[0].clientConfig.url}", want: "https://example.com/x", gone: "{.webhooks[0].clientConfig.service}"},
	"type of a Service": {
		before: "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80}]}}",
		after:  "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {type: ClusterIP, selector: {app: web}, ports: [{port: 80}]}}",
		hand:   `{"spec":{"type":"NodePort","externalTrafficPolicy":"Local"}}`,
		what:   "service/web", path: "{.spec.type}", want: "ClusterIP", gone: "{.spec.externalTrafficPolicy}"},
}

const scaler = `{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web},
  spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: nobody}, maxReplicas: 3, metrics: [{type: Resource, resource: {name: cpu, target: {$TARGET}}}]}}`

const stateful = `{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: web}, spec: {replicas: 0, serviceName: web, updateStrategy: {type: $TYPE},
  selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "example.com/web:v1"}]}}}}`

const webhook = `{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: $NS}, webhooks: [{name: web.example.com,
  clientConfig: {$WHERE}, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Ignore, rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [nothings]}]}]}`

func TestAFieldTakesThePlaceOfOneThatItExcludes(t *testing.T) {
	for sentence, c := range each {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			check := func(w *world) {
				t.Helper()
				w.holds(c.what, c.path, c.want)
				w.holds(c.what, c.gone, "")
			}
			t.Run("that was applied before, in part by default", func(t *testing.T) {
				w := newWorld(t)
				w.deploy(c.before)
				w.deploy(c.after)
				check(w)
				w.deploy(c.before)
			})
			t.Run("that Helm left", func(t *testing.T) {
				w := newWorld(t)
				w.helm(c.before)
				w.deploy(c.after)
				check(w)
			})
			t.Run("that a person put there", func(t *testing.T) {
				w := newWorld(t)
				w.deploy(c.after)
				kind := "strategic"
				if strings.HasPrefix(c.hand, "[") {
					kind = "json"
				}
				w.kubectl("patch", c.what, "--type", kind, "--patch", c.hand)
				w.deploy(strings.ReplaceAll(c.after, "name: web}", "name: web, labels: {a: b}}"))
				check(w)
			})
		})
	}
}

// A field that a person set beside stays where it excludes nothing, and the pods are
// replaced once.
func TestNothingElseMakesWay(t *testing.T) {
	w := newWorld(t)
	before := "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web}, spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}}\n---"
	w.helm(before + plain)
	w.kubectl("patch", "pdb/web", "--type", "merge", "--patch", `{"spec":{"unhealthyPodEvictionPolicy":"AlwaysAllow"}}`)
	w.kubectl("patch", "deployment/web", "--type", "strategic", "--patch", `{"spec":{"minReadySeconds":1,"template":{"spec":{"containers":[{"name":"web","env":[{"name":"HAND","value":"x"}]}]}}}}`)
	sets := func() string { return w.kubectl("get", "replicasets", "--output", "name") }
	w.until("the pods are there", func() bool { return strings.Count(sets(), "\n") == 2 })
	after := strings.NewReplacer("minAvailable", "maxUnavailable", "web:v1", "web:v2", "emptyDir: {}}]", "configMap: {name: c}}]", "value: a", "valueFrom: {fieldRef: {fieldPath: metadata.name}}",
		"httpGet", "tcpSocket", "replicas: 1", "replicas: 1\n  strategy: {type: Recreate}", "exec: {command: [a]}", "httpGet: {port: 80}", "{name: B, value: stays}", "{name: C, value: new}")
	w.deploy(after.Replace(before + plain))
	w.holds("pdb/web", "{.spec.maxUnavailable}{.spec.minAvailable}{.spec.unhealthyPodEvictionPolicy}", "1AlwaysAllow")
	w.holds("deployment/web", "{.spec.strategy.type}{.spec.minReadySeconds} {.spec.template.spec.containers[0].env[*].name}", "Recreate1 HAND A C")
	w.until("the new pods are there", func() bool { return strings.Count(sets(), "\n") >= 3 })
	if n := strings.Count(sets(), "\n"); n != 3 {
		t.Errorf("the pods were replaced more than once:\n%s", sets())
	}
	if m := w.kubectl("get", "deployment/web", "--show-managed-fields", "--output", "jsonpath={.metadata.managedFields[*].manager}"); strings.Contains(m, "helm") {
		t.Errorf("managers are %s", m)
	}
}

const gadgets = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $KINDs.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: $KINDs, singular: $KIND, kind: $KIND}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              one:
                type: object
                oneOf: [{required: [a]}, {required: [b]}]
                properties: {a: {type: string}, b: {type: object, properties: {c: {type: string}}}}
              ruled:
                type: object
                x-kubernetes-validations: [{rule: "!(has(self.a) && has(self.b))", message: "a or b"}]
                properties: {a: {type: string}, b: {type: string}, d: {type: string, default: dd}}
              set: {type: string}
              nullable: {type: string, nullable: true}
              defaulted: {type: string, default: dd}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
              list: {type: array, items: {type: object, properties: {k: {type: string}, v: {type: string}}}}
              keyed:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [k]
                items:
                  type: object
                  required: [k]
                  oneOf: [{required: [a]}, {required: [b]}]
                  properties: {k: {type: string}, a: {type: string}, b: {type: object, properties: {c: {type: string}}}}
              big: {type: integer, format: int64}
              real: {type: number}`

// define brings a kind of custom resources of the test's own.
func (w *world) define() (kind string) {
	w.t.Helper()
	kind = "gadget" + strings.ReplaceAll(strings.TrimPrefix(w.space, "fields"), "-", "x")
	w.pipe(strings.ReplaceAll(gadgets, "$KIND", kind), "apply", "--server-side", "--filename", "-")
	w.kubectl("wait", "--for=condition=Established", "crd/"+kind+"s.example.com")
	w.until("it is served", func() bool { return strings.Contains(w.kubectl("api-resources", "--api-group=example.com"), kind) })
	w.cluster.Rediscover()
	return kind
}

func TestCustomResourcesExcludeFieldsByTheirSchema(t *testing.T) {
	w := newWorld(t)
	kind := w.define()
	gadget := func(spec string) string {
		return "{apiVersion: example.com/v1, kind: " + kind + ", metadata: {name: web}, spec: " + spec + "}"
	}
	w.helm(gadget("{one: {a: x}, ruled: {a: x}, set: s}"))
	w.deploy(gadget("{one: {b: {c: x}}, ruled: {b: z}}"))
	w.holds(kind+"/web", "{.spec}", `{"defaulted":"dd","one":{"b":{"c":"x"}},"ruled":{"b":"z","d":"dd"}}`)
	w.kubectl("patch", kind+"/web", "--type", "merge", "--patch", `{"spec":{"one":{"a":"x","b":null},"ruled":{"a":"x","b":null,"d":"ee"}}}`)
	w.deploy(gadget("{one: {b: {c: x}}, ruled: {b: z}}"))
	w.holds(kind+"/web", "{.spec}", `{"defaulted":"dd","one":{"b":{"c":"x"}},"ruled":{"b":"z","d":"ee"}}`)
}

// What can't be applied stays refused, in the server's words for what remains.
func TestWhatExcludesNothingStaysRefused(t *testing.T) {
	w := newWorld(t)
	w.deploy(plain)
	for wrong, want := range map[string]string{
		strings.Replace(plain, "httpGet: {port: 80}", "httpGet: {port: 80}, exec: {command: [a]}", 1): "more than 1 handler type",
		strings.Replace(plain, "image: example.com/web:v1", "image: ''", 1):                           "image: Required value",
	} {
		if err := w.try(wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	w.inPlace(plain)
}

// helm leaves objects as helm install does: marked as a release's, and by its manager.
func (w *world) helm(text string) {
	w.t.Helper()
	for _, o := range w.parse(text) {
		raw, err := o.MarshalJSON()
		if err != nil {
			w.t.Fatal(err)
		}
		w.pipe(string(raw), "create", "--field-manager", "helm", "--filename", "-")
	}
}

func TestCustomResourcesExcludeFieldsInElements(t *testing.T) {
	w := newWorld(t)
	kind := w.define()
	gadget := func(list string) string {
		return "{apiVersion: example.com/v1, kind: " + kind + ", metadata: {name: web}, spec: {keyed: " + list + "}}"
	}
	const want, left = `[{k: x, a: a}, {k: z, b: {c: c}}]`, `[{"a":"a","k":"x"},{"b":{"c":"c"},"k":"z"}]`
	w.helm(gadget("[{k: x, b: {c: d}}, {k: z, a: b}]"))
	w.deploy(gadget(want))
	w.holds(kind+"/web", "{.spec.keyed}", left)
	w.kubectl("patch", kind+"/web", "--type", "json", "--patch", `[{"op":"replace","path":"/spec/keyed/1","value":{"k":"z","a":"hand"}}]`)
	w.deploy(gadget(want))
	w.holds(kind+"/web", "{.spec.keyed}", left)
	w.deploy(gadget("[{k: z, a: b}]"))
	w.holds(kind+"/web", "{.spec.keyed}", `[{"a":"b","k":"z"}]`)
}
