package manifest_test

import (
	"strings"
	"testing"

	"github.com/xetys/tether/render/manifest"
)

func TestWhatIsListedTwice(t *testing.T) {
	const pods = "# Source: web/templates/c.yaml\n{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {$SPEC}}}}"
	const gadget = `{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: gadgets.example.com}, spec: {group: example.com, names: {kind: Gadget}, versions: [{name: v1, schema: {openAPIV3Schema: {properties: {spec: {properties: {
  parts: {x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [id], items: {properties: {tags: {x-kubernetes-list-type: set}}}}, free: {items: {}}}}}}}}]}}
---
# Source: web/templates/g.yaml
{apiVersion: example.com/v1, kind: Gadget, metadata: {name: web}, spec: {$SPEC}}`
	for sentence, c := range map[string]struct{ text, spec, want string }{
		"the same port": {pods, "containers: [{name: a, ports: [{containerPort: 80}, {containerPort: 81}, {containerPort: 80, name: http}]}]",
			"web/templates/c.yaml: Deployment.apps prod/web: spec.template.spec.containers[name=a].ports has containerPort=80, protocol=TCP twice, as elements 1 and 3: "},
		"the same port, TCP and UDP":         {pods, "containers: [{name: a, ports: [{containerPort: 80}, {containerPort: 80, protocol: UDP}]}]", ""},
		"the same port in two containers":    {pods, "containers: [{name: a, ports: [{containerPort: 80}]}, {name: b, ports: [{containerPort: 80}]}]", ""},
		"the same variable":                  {pods, "initContainers: [{name: a, env: [{name: A, value: x}, {name: A, value: x}]}]", "spec.template.spec.initContainers[name=a].env has name=A twice, as elements 1 and 2: "},
		"several":                            {pods, "containers: [{name: a, env: [{name: A}, {name: A}, {name: B}, {name: B}, {name: A}]}]", "remove one (and 2 more of this object)"},
		"the same container":                 {pods, "containers: [{name: a}, {name: a}]", "spec.template.spec.containers has name=a twice"},
		"the same volume":                    {pods, "volumes: [{name: a}, {name: a}]", "spec.template.spec.volumes has name=a twice"},
		"the same mount":                     {pods, "containers: [{name: a, volumeMounts: [{name: x, mountPath: /a}, {name: y, mountPath: /a}]}]", "volumeMounts has mountPath=/a twice"},
		"the same volume, mounted elsewhere": {pods, "containers: [{name: a, volumeMounts: [{name: x, mountPath: /a}, {name: x, mountPath: /b}]}]", ""},
		"the same pull secret":               {pods, "imagePullSecrets: [{name: a}, {name: a}]", "imagePullSecrets has name=a twice"},
		"what no key tells apart":            {pods, "tolerations: [{key: a}, {key: a}], containers: [{name: a, args: [x, x], envFrom: [{prefix: a}, {prefix: a}]}]", ""},
		"an element without a key":           {pods, "containers: [{image: a}, {image: a}]", ""},
		"a Service's port": {"{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {$SPEC}}", "ports: [{port: 53, protocol: UDP, name: a}, {port: 53, name: b}, {port: 53, protocol: TCP, name: c}]",
			"Service prod/web: spec.ports has port=53, protocol=TCP twice, as elements 2 and 3"},
		"a CronJob's variable": {"{apiVersion: batch/v1, kind: CronJob, metadata: {name: web}, spec: {jobTemplate: {spec: {template: {spec: {$SPEC}}}}}}", "containers: [{name: a, env: [{name: A}, {name: A}]}]",
			"spec.jobTemplate.spec.template.spec.containers[name=a].env has name=A twice"},
		"a pull secret of a service account, which is not merged": {"{apiVersion: v1, kind: ServiceAccount, metadata: {name: web}, imagePullSecrets: [{name: a}, {name: a}]}", "", ""},
		"a webhook":                             {"{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: web}, webhooks: [{name: a}, {name: a}]}", "", "webhooks has name=a twice"},
		"an element of a kind that comes along": {gadget, "parts: [{id: 1}, {id: 2}, {id: 1}]", "web/templates/g.yaml: Gadget.example.com prod/web: spec.parts has id=1 twice, as elements 1 and 3"},
		"a value of a set":                      {gadget, "parts: [{id: 1, tags: [a, b, a]}]", "spec.parts[0].tags has a twice, as elements 1 and 3"},
		"what its definition replaces":          {gadget, "free: [{id: 1}, {id: 1}]", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			objects, err := manifest.Parse(strings.ReplaceAll(c.text, "$SPEC", c.spec), "prod", nil)
			if err != nil {
				t.Fatal(err)
			}
			err = manifest.Unrepeated(objects[len(objects)-1], objects)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %v, want %q", err, c.want)
			}
		})
	}
}
