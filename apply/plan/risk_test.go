package plan

import (
	"strings"
	"testing"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

func TestWhatOfAChangeIsMoreThanFields(t *testing.T) {
	deployment := func(spec string) string {
		return "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\nspec: {" + spec + "}\n"
	}
	stateful := func(spec string) string {
		return "kind: StatefulSet\napiVersion: apps/v1\nmetadata: {name: db}\nspec: {" + spec + "}\n"
	}
	job := func(image string) string {
		return "kind: Job\napiVersion: batch/v1\nmetadata: {name: migrate}\nspec: {template: {spec: {containers: [{name: a, image: " + image + "}]}}}\n"
	}
	crd := func(versions string) string {
		return "kind: CustomResourceDefinition\napiVersion: apiextensions.k8s.io/v1\nmetadata: {name: widgets.example.com}\nspec: {group: example.com, scope: Namespaced, names: {kind: Widget}, versions: [" + versions + "]}\n"
	}
	hpa := func(spec string) string {
		return "kind: HorizontalPodAutoscaler\napiVersion: autoscaling/v2\nmetadata: {name: web}\nspec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, " + spec + "}\n"
	}
	pdb := func(spec string) string {
		return "kind: PodDisruptionBudget\napiVersion: policy/v1\nmetadata: {name: web}\nspec: {" + spec + "}\n"
	}
	config := func(more, data string) string {
		return "kind: ConfigMap\napiVersion: v1\nmetadata: {name: web}\n" + more + "data: {a: " + data + "}\n"
	}
	space := "kind: Namespace\napiVersion: v1\nmetadata: {name: extra}\n"
	v1, v2 := "{name: v1, served: true}", "{name: v2, served: true}"
	for sentence, c := range map[string]struct{ from, to, want string }{
		"an image alone is none":              {deployment("template: {spec: {containers: [{name: a, image: a:1}]}}"), deployment("template: {spec: {containers: [{name: a, image: a:2}]}}"), ""},
		"what is new is none":                 {"", deployment("replicas: 1"), ""},
		"what leaves is deleted":              {deployment("replicas: 1"), "", "delete Deployment.apps prod/web is deleted"},
		"fewer pods":                          {deployment("replicas: 3"), deployment("replicas: 0"), "replicas Deployment.apps prod/web replicas: 3 -> 0"},
		"a number that is not said any more":  {deployment("replicas: 3"), deployment("paused: false"), "replicas Deployment.apps prod/web replicas: 3 -> (absent)"},
		"a selector can't be changed":         {deployment("selector: {matchLabels: {a: b}}"), deployment("selector: {matchLabels: {a: c}}"), "immutable Deployment.apps prod/web can't be changed in spec.selector.matchLabels.a"},
		"but with leave to recreate it":       {deployment("selector: {matchLabels: {a: b}}"), strings.Replace(deployment("selector: {matchLabels: {a: c}}"), "{name: web}", "{name: web, annotations: {"+ownership.AnnotRecreate+": \"true\"}}", 1), "recreate Deployment.apps prod/web is deleted and created anew, for spec.selector.matchLabels.a"},
		"a StatefulSet's template may change": {stateful("template: {a: b}"), stateful("template: {a: c}"), ""},
		"and its service may not":             {stateful("serviceName: a"), stateful("serviceName: b"), "immutable StatefulSet.apps prod/db can't be changed in spec.serviceName"},
		"a Job is created anew":               {job("a:1"), job("a:2"), "recreate Job.batch prod/migrate is deleted and created anew"},
		"what is immutable by itself":         {config("immutable: true\n", "b"), config("immutable: true\n", "c"), "immutable ConfigMap prod/web can't be changed in data.a"},
		"a kind that changes":                 {crd(v1), crd(v1 + ", " + v2), "crd CustomResourceDefinition.apiextensions.k8s.io widgets.example.com changes what all objects"},
		"a version that goes":                 {crd(v1 + ", " + v2), crd(v2), "crd CustomResourceDefinition.apiextensions.k8s.io widgets.example.com stops to serve version v1"},
		"a kind that leaves stays":            {crd(v1), "", "crd CustomResourceDefinition.apiextensions.k8s.io widgets.example.com is not brought any more, and stays"},
		"an autoscaler that comes":            {"", hpa("maxReplicas: 3"), "replicas HorizontalPodAutoscaler.autoscaling prod/web decides on the replicas of Deployment.apps prod/web from now on"},
		"an autoscaler with another limit":    {hpa("maxReplicas: 3"), hpa("maxReplicas: 5"), "replicas HorizontalPodAutoscaler.autoscaling prod/web maxReplicas: 3 -> 5"},
		"an autoscaler that goes":             {hpa("maxReplicas: 3"), "", "replicas HorizontalPodAutoscaler.autoscaling prod/web no longer decides on the replicas of Deployment.apps prod/web"},
		"a budget that changes":               {pdb("minAvailable: 1"), pdb("minAvailable: 2"), "disruption PodDisruptionBudget.policy prod/web minAvailable: 1 -> 2"},
		"a budget that lets nothing go":       {"", pdb("maxUnavailable: 0"), "disruption PodDisruptionBudget.policy prod/web lets no pod be evicted"},
		"a budget that goes":                  {pdb("minAvailable: 1"), "", "disruption PodDisruptionBudget.policy prod/web no longer holds up"},
		"a namespace that comes":              {"", space, "namespace Namespace extra is created"},
		"a namespace that leaves stays":       {space, "", "namespace Namespace extra is not brought any more, and stays"},
	} {
		t.Run(sentence, func(t *testing.T) {
			from, to := &manifest.Release{Objects: parse(t, c.from)}, &manifest.Release{Objects: parse(t, c.to)}
			var have []string
			for _, r := range CompareReleases(from, to).Risks() {
				have = append(have, strings.Join([]string{r.Kind, r.Object, r.Text}, " "))
			}
			text := strings.Join(have, "\n")
			if c.want == "" && text != "" || !strings.Contains(text, c.want) {
				t.Errorf("have %q, want %q", text, c.want)
			}
		})
	}
}

func TestHooksAreToldWhenTheyRun(t *testing.T) {
	o := parse(t, "kind: Job\napiVersion: batch/v1\nmetadata: {name: migrate}\n")[0]
	hooks := []manifest.Hook{{Object: o, Events: []string{PreUpgrade, Test}}}
	if risks := HookRisks(hooks, PreInstall, PostInstall); len(risks) != 0 {
		t.Errorf("at an install: %v", risks)
	}
	risks := HookRisks(hooks, PreUpgrade, PostUpgrade)
	if len(risks) != 1 || risks[0] != (Risk{RiskHook, "Job.batch prod/migrate", "runs as pre-upgrade hook"}) {
		t.Errorf("at an upgrade: %v", risks)
	}
	if risks := CompareReleases(&manifest.Release{Hooks: hooks}, nil).Risks(); len(risks) != 0 {
		t.Errorf("a hook that leaves is not deleted: %v", risks)
	}
}
