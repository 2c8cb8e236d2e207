package manifest_test

import (
	"strings"
	"testing"

	"github.com/xetys/tether/render/manifest"
)

func TestWhatIsReservedForHelm(t *testing.T) {
	for sentence, c := range map[string]struct {
		object   string
		reserved string // part of the reason, nothing if it may come from a chart
	}{
		"a Secret of Helm's type":                  {"{apiVersion: v1, kind: Secret, metadata: {name: a}, type: helm.sh/release.v1}", "type helm.sh/release.v1"},
		"a Secret of Helm's name":                  {"{apiVersion: v1, kind: Secret, metadata: {name: sh.helm.release.v1.web.v1}}", "names that begin with sh.helm.release.v1."},
		"a Secret that gets Helm's name":           {"{apiVersion: v1, kind: Secret, metadata: {generateName: sh.helm.release.v1.web.v}}", "names that begin with"},
		"a ConfigMap of Helm's name":               {"{apiVersion: v1, kind: ConfigMap, metadata: {name: sh.helm.release.v1.web.v1}}", "names that begin with"},
		"a Secret with Helm's labels":              {"{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {owner: helm, name: web, version: '3'}}}", "labels owner, name and version"},
		"a Secret in a list":                       {"{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: a}, type: helm.sh/release.v1}]}", "type helm.sh/release.v1"},
		"a Secret that helm owns as people do":     {"{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {owner: helm}}}", ""},
		"a Secret of another type":                 {"{apiVersion: v1, kind: Secret, metadata: {name: a}, type: Opaque}", ""},
		"a custom resource that has a field type":  {"{apiVersion: example.com/v1, kind: Secret, metadata: {name: a}, type: helm.sh/release.v1}", ""},
		"an object of another kind of Helm's name": {"{apiVersion: v1, kind: Service, metadata: {name: sh.helm.release.v1.web.v1}}", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			objects, err := manifest.Parse("---\n# Source: c/templates/a.yaml\n"+c.object, "prod", nil)
			if err != nil {
				t.Fatal(err)
			}
			for name, rel := range map[string]*manifest.Release{
				"object": {Objects: objects}, "hook": {Hooks: []manifest.Hook{{Object: objects[0]}}}, "crds/": {CRDs: objects},
			} {
				err := rel.CheckReserved()
				if (err == nil) != (c.reserved == "") {
					t.Fatalf("as %s: %v", name, err)
				}
				if err != nil && (!strings.Contains(err.Error(), c.reserved) || !strings.HasPrefix(err.Error(), "c/templates/a.yaml: ")) {
					t.Errorf("as %s: %v", name, err)
				}
			}
		})
	}
}
