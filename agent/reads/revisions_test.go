package reads

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

const webWith = `
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {color: COLOR, url: "postgres://app:PASSWORD@db"}
---
apiVersion: v1
kind: Secret
metadata: {name: web}
stringData: {password: PASSWORD}
`

func releaseOf(t *testing.T, text string, pairs ...string) *manifest.Release {
	t.Helper()
	objects, err := manifest.Parse(strings.NewReplacer(pairs...).Replace(text), "prod", nil)
	if err != nil {
		t.Fatal(err)
	}
	return &manifest.Release{Name: "web", Namespace: "prod", Objects: objects}
}

// Readers see which fields two records differ in, and the values that no secret is in.
func TestWhatADifferenceShows(t *testing.T) {
	before := releaseOf(t, webWith, "COLOR", "red", "PASSWORD", "hunter2hunter2")
	after := releaseOf(t, webWith, "COLOR", "blue", "PASSWORD", "correct-horse")
	for name, c := range map[string]struct {
		open         bool
		before       *manifest.Release
		shown, paths []string
		hidden       []string
	}{
		"where both records are open":         {true, before, []string{"red", "blue"}, []string{"data.color", "data.url"}, []string{"hunter2", "horse"}},
		"where a secret may have gone in":     {false, before, nil, []string{"data.color", "data.url"}, []string{"hunter2", "horse", "red", "blue"}},
		"where the object was not there, too": {true, &manifest.Release{Name: "web", Namespace: "prod"}, nil, nil, []string{"hunter2", "horse"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &Difference{Name: "web", Namespace: "prod", From: 1, To: 2}
			d.compare(c.before, after, c.open)
			raw, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range append(slices.Clone(c.shown), c.paths...) {
				if !strings.Contains(string(raw), text) {
					t.Errorf("it does not tell of %q: %s", text, raw)
				}
			}
			for _, text := range c.hidden {
				if strings.Contains(string(raw), text) {
					t.Errorf("it shows %q: %s", text, raw)
				}
			}
			if len(d.Objects) == 0 {
				t.Error("nothing differs")
			}
		})
	}
	same := &Difference{Name: "web", Namespace: "prod"}
	same.compare(before, before, true)
	if raw, err := json.Marshal(same); err != nil || !strings.Contains(string(raw), `"objects":[]`) {
		t.Errorf("of two that are the same: %s, %v", raw, err)
	}
}

// A Secret's values are searched for wherever they stand, encoded or not.
func TestSecretsOfARelease(t *testing.T) {
	r := releaseOf(t, `
apiVersion: v1
kind: Secret
metadata: {name: a}
stringData: {one: plain-text}
data: {two: ZW5jb2RlZC10ZXh0}
---
apiVersion: example.com/v1
kind: Secret
metadata: {name: another-kind}
stringData: {three: no-secret}
`)
	if have := secretsOf(r); !slices.Equal(slices.Sorted(slices.Values(have)), []string{"encoded-text", "plain-text"}) {
		t.Errorf("%q", have)
	}
}

// Who asks for a revision that is gone is told which there are.
func TestWhichRevisionsThereAre(t *testing.T) {
	for want, history := range map[string]record.History{
		"there is none":     nil,
		"there are 3 to 12": {{Revision: 3}, {Revision: 7}, {Revision: 12}},
	} {
		if have := listRevisions(history); have != want {
			t.Errorf("%q, want %q", have, want)
		}
	}
}
