package health

import (
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// a is one sentence on an object of one kind: what it says of itself, as flow YAML, and
// what we make of it.
type a struct {
	sentence string
	fields   string
	want     string // a state; "failed" and "held" are those of unhealthy and progressing
}

// own are the cases of one kind.
type own struct {
	apiVersion, kind string
	cases            []a
}

// cond is a status with one condition.
func cond(kind, status, reason, message string) string {
	return fmt.Sprintf("{conditions: [{type: %q, status: %q, reason: %q, message: %q}]}", kind, status, reason, message)
}

func TestKindsAreJudgedByWhatTheySay(t *testing.T) {
	count, sentences := 0, map[string]bool{}
	for _, k := range slices.Concat(ownCases, operatorCases, moreCases, otherToolsCases, documentedCases) {
		for _, c := range k.cases {
			count++
			sentence := k.kind + " of " + k.apiVersion + ": " + c.sentence
			if sentences[sentence] {
				t.Errorf("%s: twice", sentence)
			}
			sentences[sentence] = true
			t.Run(sentence, func(t *testing.T) {
				v := Of(object(t, k, c.fields), Options{})
				if have := stateOf(v); have != c.want {
					t.Errorf("%s, want %s: %+v", have, c.want, v)
				}
				if v.Rule == "" || v.State != Healthy && (v.Reason == "" || v.Field == "") {
					t.Errorf("it does not say why: %+v", v)
				}
			})
		}
	}
	if count < 200 {
		t.Errorf("there are %d cases only", count)
	}
}

func object(t *testing.T, k own, fields string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte("{" + fields + "}"))
	if err == nil {
		err = utiljson.Unmarshal(raw, &u.Object)
	}
	if err != nil {
		t.Fatal(err)
	}
	if u.Object == nil {
		u.Object = map[string]any{}
	}
	u.SetAPIVersion(k.apiVersion)
	u.SetKind(k.kind)
	if u.GetName() == "" {
		u.SetName("x")
	}
	return u
}

// stateOf is a verdict in one word.
func stateOf(v Verdict) string {
	switch {
	case v.Failed:
		return "failed"
	case v.Held:
		return "held"
	}
	return string(v.State)
}
