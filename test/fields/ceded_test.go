package fields_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"
)

// bundle is a certificate that somebody puts in, and other is the chart's.
var bundle, other = certificate(1), certificate(2)

func certificate(serial int64) string {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestWhatBelongsToAControllerStays(t *testing.T) {
	const configuration = `{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: $NS, labels: {v: $V}, annotations: {$ANNOTATION}}, webhooks: [{name: web.example.com,
  clientConfig: {service: {name: web, namespace: $NS}, $BUNDLE}, sideEffects: None, admissionReviewVersions: [v1], failurePolicy: Ignore, rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [nothings]}]}]}`
	webhook := func(bundle, annotation string) string {
		return strings.NewReplacer("$BUNDLE", bundle, "$ANNOTATION", annotation).Replace(configuration)
	}
	definition := func(bundle string) string {
		return `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things.$NS.example.com, labels: {v: $V}}, spec: {group: $NS.example.com, scope: Namespaced,
  names: {plural: things, singular: thing, kind: Thing}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}],
  conversion: {strategy: Webhook, webhook: {conversionReviewVersions: [v1], clientConfig: {service: {name: web, namespace: $NS}, ` + bundle + `}}}}}`
	}
	inject := `[{"op":"add","path":"/webhooks/0/clientConfig/caBundle","value":"` + bundle + `"}]`
	for sentence, c := range map[string]struct {
		text       string // with a label $V, which changes
		what       string
		kind, hand string // what somebody does
		path, want string
	}{
		"a webhook's bundle that is empty": {text: webhook(`caBundle: ""`, ""), what: "mutatingwebhookconfiguration/$NS", kind: "json", hand: inject, path: "{.webhooks[0].clientConfig.caBundle}", want: bundle},
		"a webhook's bundle that is null":  {text: webhook(`caBundle: null`, ""), what: "mutatingwebhookconfiguration/$NS", kind: "json", hand: inject, path: "{.webhooks[0].clientConfig.caBundle}", want: bundle},
		"a webhook's bundle that is a stand-in": {text: webhook(`caBundle: "Cg=="`, ""), what: "mutatingwebhookconfiguration/$NS", kind: "json", hand: inject, path: "{.webhooks[0].clientConfig.caBundle}",
			want: bundle},
		"a webhook's bundle that is injected over the chart's": {text: webhook(`caBundle: `+other, "cert-manager.io/inject-ca-from: $NS/web"),
			what: "mutatingwebhookconfiguration/$NS", kind: "json", hand: inject, path: "{.webhooks[0].clientConfig.caBundle}", want: bundle},
		"a conversion webhook's bundle": {text: definition(`caBundle: ""`), what: "crd/things.$NS.example.com", kind: "merge",
			hand: `{"spec":{"conversion":{"webhook":{"clientConfig":{"caBundle":"` + bundle + `"}}}}}`, path: "{.spec.conversion.webhook.clientConfig.caBundle}", want: bundle},
		"an API service's bundle": {text: `{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.$NS.example.com, labels: {v: $V}}, spec: {group: $NS.example.com, version: v1, groupPriorityMinimum: 10, versionPriority: 10,
  service: {name: web, namespace: $NS}, caBundle: ""}}`, what: "apiservice/v1.$NS.example.com", kind: "merge", hand: `{"spec":{"caBundle":"` + bundle + `"}}`, path: "{.spec.caBundle}", want: bundle},
		"pull secrets of a service account": {text: "{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, labels: {v: $V}}, imagePullSecrets: [], secrets: []}", what: "serviceaccount/web", kind: "merge",
			hand: `{"imagePullSecrets":[{"name":"pull"}],"secrets":[{"name":"token"}]}`, path: "{.imagePullSecrets[0].name}{.secrets[0].name}", want: "pulltoken"},
		"a claim that was grown": {text: "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: web, labels: {v: $V}}, spec: {accessModes: [ReadWriteOnce], storageClassName: growing, volumeName: '', resources: {requests: {storage: 1Gi}}}}",
			what: "pvc/web", kind: "merge", hand: `{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}`, path: "{.spec.resources.requests.storage}", want: "2Gi"},
		"ports of a Service": {text: "{apiVersion: v1, kind: Service, metadata: {name: web, labels: {v: $V}}, spec: {type: NodePort, clusterIP: '', healthCheckNodePort: 0, loadBalancerIP: null, selector: {app: web}, ports: [{port: 80, nodePort: null}]}}",
			what: "service/web", kind: "json", hand: `[{"op":"replace","path":"/spec/ports/0/nodePort","value":$PORT}]`, path: "{.spec.ports[0].nodePort}", want: "$PORT"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			text := strings.ReplaceAll(c.text, "$V", "a")
			if strings.Contains(text, "growing") {
				w.growing()
			}
			w.deploy(text)
			port := w.port()
			w.kubectl("patch", c.what, "--type", c.kind, "--patch", strings.ReplaceAll(c.hand, "$PORT", port))
			if plan := w.inPlace(text); strings.Contains(plan.String(), "by kubectl") {
				t.Errorf("it is told as foreign:\n%s", plan)
			}
			w.owner.Strict = true
			w.deploy(strings.ReplaceAll(c.text, "$V", "b"))
			w.holds(strings.ReplaceAll(c.what, "$NS", w.space), c.path, strings.ReplaceAll(c.want, "$PORT", port))
			w.holds(strings.ReplaceAll(c.what, "$NS", w.space), "{.metadata.labels.v}", "b")
		})
	}
}

// port is a node port that is free.
func (w *world) port() string {
	w.t.Helper()
	w.pipe("{apiVersion: v1, kind: Service, metadata: {name: probe}, spec: {type: NodePort, ports: [{port: 1}]}}", "create", "--filename", "-")
	port := w.field("service/probe", "{.spec.ports[0].nodePort}")
	w.kubectl("delete", "service/probe")
	return port
}

// growing makes a class of volumes that can be made larger.
func (w *world) growing() {
	w.t.Helper()
	w.pipe("{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {name: growing}, provisioner: example.com/none, allowVolumeExpansion: true}", "apply", "--filename", "-")
	w.pipe("{apiVersion: v1, kind: PersistentVolume, metadata: {name: $NS}, spec: {storageClassName: growing, capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /tmp}, claimRef: {name: web, namespace: $NS}}}",
		"create", "--filename", "-")
	w.t.Cleanup(func() { w.kubectl("delete", "pv", w.space, "--wait=false") })
}

// Rules of a ClusterRole that gathers others' are its controller's, whatever a chart says.
func TestGatheredRulesAreTheirControllers(t *testing.T) {
	for sentence, rules := range map[string]string{
		"nothing": "", "an empty list": "rules: [],", "null": "rules: null,", "rules": "rules: [{apiGroups: [''], resources: [pods], verbs: [get]}],",
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			text := `
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: $NS}, ` + rules + ` aggregationRule: {clusterRoleSelectors: [{matchLabels: {gathered: $NS}}]}}
---
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: $NS-part, labels: {gathered: $NS}}, rules: [{apiGroups: [example.com], resources: [$THINGS], verbs: [get]}]}`
			things := func() string { return w.field("clusterrole/"+w.space, "{.rules[*].resources[*]}") }
			w.deploy(strings.ReplaceAll(text, "$THINGS", "things"))
			w.until("its rules are gathered", func() bool { return things() == "things" })
			w.inPlace(strings.ReplaceAll(text, "$THINGS", "things"))
			w.deploy(strings.ReplaceAll(text, "$THINGS", "others"))
			w.until("its rules follow", func() bool { return things() == "others" })
			w.inPlace(strings.ReplaceAll(text, "$THINGS", "others"))
		})
	}
}

// A claim stays as large as it is when git asks for less, as after a revert.
func TestAClaimDoesNotShrink(t *testing.T) {
	w := newWorld(t)
	w.growing()
	claim := func(size string) string {
		return "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: web}, spec: {accessModes: [ReadWriteOnce], storageClassName: growing, resources: {requests: {storage: " + size + "}}}}"
	}
	w.deploy(claim("1Gi"))
	w.until("it is bound", func() bool { return w.field("pvc/web", "{.status.phase}") == "Bound" })
	w.deploy(claim("3Gi"))
	w.deploy(claim("1024Mi"))
	w.holds("pvc/web", "{.spec.resources.requests.storage}", "3Gi")
	w.deploy(claim("4Gi"))
	w.holds("pvc/web", "{.spec.resources.requests.storage}", "4Gi")
}
