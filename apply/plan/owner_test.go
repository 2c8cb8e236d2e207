package plan

import (
	"testing"

	"github.com/xetys/tether/render/manifest"
)

// Whose an object is that says no owner, by what the release rolled out before.
func TestWhoseAnUnmarkedObjectIs(t *testing.T) {
	const object = "{kind: ConfigMap, apiVersion: v1, metadata: {name: x}, data: {a: b}}"
	for sentence, c := range map[string]struct {
		live string
		had  bool
		want Action
	}{
		"the release's that had it":        {"{name: x}", true, Update},
		"nobody's else":                    {"{name: x}", false, Refused},
		"with the environment's label too": {"{name: x, labels: {tether.stytex.cloud/environment: production}}", true, Update},
		"not of another environment":       {"{name: x, labels: {tether.stytex.cloud/environment: other}}", true, Refused},
		"not of another release":           {"{name: x, annotations: {meta.helm.sh/release-name: other, meta.helm.sh/release-namespace: prod}}", true, Refused},
		"not what a controller made":       {"{name: x, ownerReferences: [{apiVersion: v1, kind: Thing, name: t, uid: u}]}", true, Refused},
	} {
		t.Run(sentence, func(t *testing.T) {
			want := web.Mark(parse(t, object))
			found := parse(t, "{kind: ConfigMap, apiVersion: v1, metadata: "+c.live+"}")[0]
			owner := web
			owner.Had = map[manifest.ID]bool{found.ID(): c.had}
			observations := map[manifest.ID]Observation{found.ID(): {Live: found.Unstructured, DryRun: want[0].Unstructured}}
			if have := NewPlan(owner, want, nil, observations, Provisions{}).Changes[0]; have.Action != c.want {
				t.Errorf("%s: %s; want %s", have.Action, have.Why, c.want)
			}
			if have := Pruned(owner, found.ID(), found.Unstructured, Provisions{}); have.Action != Keep {
				t.Errorf("dropped, it is %s", have.Action)
			}
		})
	}
}
