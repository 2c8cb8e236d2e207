package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/xetys/tether/render/manifest"
)

func TestParse(t *testing.T) {
	for sentence, c := range map[string]struct {
		text string
		want []string // "Kind namespace/name from source"
		err  string
	}{
		"an object without a namespace gets the release's": {
			text: "---\n# Source: web/templates/a.yaml\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n",
			want: []string{"ConfigMap prod/a from web/templates/a.yaml"},
		},
		"one that names a namespace keeps it": {
			text: "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: other}}",
			want: []string{"ConfigMap other/a from "},
		},
		"a cluster-scoped one loses it": {
			text: "{apiVersion: v1, kind: Namespace, metadata: {name: a, namespace: wrong}}",
			want: []string{"Namespace a from "},
		},
		"documents of nothing but comments are dropped": {text: "---\n# nothing\n---\n\n---\nnull\n"},
		"lists are expanded": {
			text: "{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: a}}, {apiVersion: v1, kind: Secret, metadata: {name: b}}]}",
			want: []string{"Secret prod/a from ", "Secret prod/b from "},
		},
		"CRLF ends lines too": {
			text: "apiVersion: v1\r\nkind: ConfigMap\r\nmetadata:\r\n  name: a\r\n---\r\napiVersion: v1\r\nkind: ConfigMap\r\nmetadata:\r\n  name: b\r\n",
			want: []string{"ConfigMap prod/a from ", "ConfigMap prod/b from "},
		},
		"a name that is left to the API server follows from the content": {
			text: "{apiVersion: v1, kind: Secret, metadata: {generateName: a-}}",
			want: []string{"Secret prod/a-fb59e from "},
		},
		"other content is another object": {
			text: "{apiVersion: v1, kind: Secret, metadata: {generateName: a-}, data: {b: Yw==}}",
			want: []string{"Secret prod/a-b8222 from "},
		},
		"twins are two": {
			text: "{apiVersion: v1, kind: Secret, metadata: {generateName: a-}}\n---\n{kind: Secret, apiVersion: v1, metadata: {generateName: a-}}",
			want: []string{"Secret prod/a-fb59e from ", "Secret prod/a-6072c from "},
		},
		"a long beginning of a name is cut as the API server does": {
			text: "{apiVersion: v1, kind: Secret, metadata: {generateName: " + strings.Repeat("a", 70) + "}}",
			want: []string{"Secret prod/" + strings.Repeat("a", 58) + "3443f from "},
		},
		"an object without a name is refused":      {text: "# Source: x.yaml\n{apiVersion: batch/v1, kind: Job, metadata: {labels: {a: b}}}", err: "x.yaml: Job has no metadata.name"},
		"one without an apiVersion is refused":     {text: "{kind: Job, metadata: {name: a}}", err: "no kind or no apiVersion"},
		"what is no object is refused":             {text: "# Source: x.yaml\njust a sentence", err: "x.yaml: not a Kubernetes object"},
		"what is no YAML is refused with its file": {text: "# Source: x.yaml\na: [", err: "x.yaml: not valid YAML"},
	} {
		t.Run(sentence, func(t *testing.T) {
			objects, err := manifest.Parse(c.text, "prod", nil)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("%v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var have []string
			for _, o := range objects {
				have = append(have, o.ID().String()+" from "+o.Source)
			}
			if diff := cmp.Diff(c.want, have); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever a record holds, parsing ends, and what it returns has an identity.
func FuzzParse(f *testing.F) {
	f.Add("---\n# Source: a\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n")
	f.Add("{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: a}}]}")
	f.Add("apiVersion: v1\r\nkind: Service\r\nmetadata: {name: 7}\r\n---\r\n")
	f.Add("metadata: null\nkind: 1")
	f.Fuzz(func(t *testing.T, text string) {
		objects, err := manifest.Parse(text, "prod", nil)
		if err != nil {
			return
		}
		for _, o := range objects {
			if id := o.ID(); id.Kind == "" || id.Name == "" {
				t.Errorf("an object without identity: %q", id)
			}
		}
	})
}

// A CRD's file that begins with "---", or holds several documents, is named for each.
func TestEveryDocumentOfAFileComesFromIt(t *testing.T) {
	for _, text := range []string{"---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n", "# a comment\n---\n---\n{apiVersion: v1, kind: A, metadata: {name: a}}\n---\n{apiVersion: v1, kind: B, metadata: {name: b}}"} {
		documents, err := manifest.DocumentsOf("crds/x.yaml", text)
		if err != nil || len(documents) == 0 {
			t.Fatal(documents, err)
		}
		for _, d := range documents {
			if d.Source != "crds/x.yaml" {
				t.Errorf("%s comes from %q", d.JSON, d.Source)
			}
		}
	}
	if _, err := manifest.DocumentsOf("crds/x.yaml", "---\na: ["); err == nil || !strings.Contains(err.Error(), "crds/x.yaml: not valid YAML") {
		t.Errorf("%v", err)
	}
}
