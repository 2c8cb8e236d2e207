package fields_test

import (
	"strings"
	"testing"
)

// A field that is explicitly null is not set.
func TestNullIsNotSet(t *testing.T) {
	w := newWorld(t)
	kind := w.define()
	text := `
{apiVersion: example.com/v1, kind: ` + kind + `, metadata: {name: web, labels: null, annotations: {a: null, b: c}},
  spec: {set: null, nullable: null, defaulted: null, one: {a: x, b: null}, ruled: {a: null}, free: {kept: null, b: 1}, list: [{k: a, v: null}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, creationTimestamp: null}
spec:
  replicas: null
  strategy: null
  selector: {matchLabels: {app: web, b: null}}
  template:
    metadata: {labels: {app: web}}
    spec:
      nodeSelector: null
      securityContext: {runAsUser: null}
      containers: [{name: web, image: "example.com/web:v1", env: [{name: A, value: null}], resources: {limits: null}, livenessProbe: null}]
status: null
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: null, b: c}}
---
{apiVersion: v1, kind: Secret, metadata: {name: web}, stringData: {a: null, b: c}}`
	w.deploy(text)
	w.holds(kind+"/web", "{.spec.defaulted}{.spec.free}{.spec.list}{.spec.one}{.spec.ruled}", `dd{"b":1,"kept":null}[{"k":"a"}]{"a":"x"}{"d":"dd"}`)
	w.holds("configmap/web", "{.data}", `{"a":"","b":"c"}`)
	w.holds("secret/web", "{.data}", `{"a":"","b":"Yw=="}`)

	// Others may set it.
	w.kubectl("scale", "deployment/web", "--replicas=3")
	w.kubectl("patch", kind+"/web", "--type", "merge", "--patch", `{"spec":{"set":"hand"}}`)
	w.inPlace(text)
	w.deploy(strings.ReplaceAll(text, "web:v1", "web:v2"))
	w.holds("deployment/web", "{.spec.replicas}", "3")
	w.holds(kind+"/web", "{.spec.set}", "hand")
}

// Numbers arrive as they are written.
func TestNumbersAreExact(t *testing.T) {
	w := newWorld(t)
	kind := w.define()
	w.deploy("{apiVersion: example.com/v1, kind: " + kind + ", metadata: {name: web}, spec: {one: {a: x}, big: 9007199254740993, real: 0.1, free: {max: 9223372036854775807, min: -9223372036854775808, f: 1.7976931348623157e+308, e: 1e-7}}}")
	w.holds(kind+"/web", "{.spec.big} {.spec.real} {.spec.free}", `9007199254740993 0.1 {"e":1e-7,"f":1.7976931348623157e+308,"max":9223372036854775807,"min":-9223372036854775808}`)
}
