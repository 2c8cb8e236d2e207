package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each document of a file is told of in its place, with its line if it can't be read.
func TestDocumentsOfAFile(t *testing.T) {
	const web = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"
	for sentence, c := range map[string]struct{ text, want string }{
		"one object":                            {web, "web"},
		"several":                               {web + "---\n" + strings.ReplaceAll(web, "web", "api"), "web|api"},
		"dashes, comments and nothing are none": {"# a\n---\n# b\n---\n" + web + "---\n---\n...\n", "web"},
		"text stands behind the dashes":         {"--- # first\n" + web + "--- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n", "web|s"},
		"lines may end as on Windows":           {strings.ReplaceAll(web+"---\n"+web, "\n", "\r\n"), "web|web"},
		"a List's items":                        {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n- 7\n", "a|document 1 (line 1): item 2 of the list is no object"},
		"items take the list's kind":            {"{apiVersion: v1, kind: SecretList, items: [{metadata: {name: a}}]}", "a"},
		"a List of none":                        {"{apiVersion: v1, kind: List, items: []}", ""},
		"what is no object":                     {web + "---\n- a\n---\n" + web, "web|document 2 (line 5) is no object|web"},
		"what is no YAML":                       {web + "---\n\nkind: a\n b: [\n---\n" + web, "web|document 2 (line 6) can't be read: yaml: line 7|web"},
		"nothing":                               {"", "! holds no object"},
		"only comments":                         {"# a\n---\n", "! holds no object"},
		"JSON":                                  {`{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}`, "a"},
		"JSON of several":                       {`{"kind": "Secret", "metadata": {"name": "a"}}` + "\n" + `{"kind": "Secret", "metadata": {"name": "b"}}` + "\n{", "a|b|document 3 (line 3) can't be read"},
		"JSON that is none":                     {"{\"kind\":\n1,,}", "document 1 (line 1) can't be read: yaml: line "},
		"flow YAML":                             {"{kind: Secret, metadata: {name: a}}", "a"},
	} {
		t.Run(sentence, func(t *testing.T) {
			documents, err := readDocuments(strings.NewReader(c.text), "-")
			var have []string
			if err != nil {
				have = append(have, "! "+strings.TrimPrefix(err.Error(), "- "))
			}
			for _, d := range documents {
				if d.err != nil {
					have = append(have, d.err.Error())
				} else {
					have = append(have, d.object.GetName())
				}
			}
			want := strings.Split(c.want, "|")
			if c.want == "" {
				want = nil
			}
			if len(have) != len(want) {
				t.Fatalf("have %q, want %q", have, want)
			}
			for i := range want {
				if !strings.HasPrefix(have[i], want[i]) {
					t.Errorf("have %q, want %q", have[i], want[i])
				}
			}
		})
	}
}

// A folder is its files that hold objects, sorted; one without any says so.
func TestAFolderIsItsFiles(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"b.yaml", "a.yml", "c.json", "README.md"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have := strings.Join(expand([]string{"-", dir, empty}), " ")
	want := strings.Join([]string{"-", filepath.Join(dir, "a.yml"), filepath.Join(dir, "b.yaml"), filepath.Join(dir, "c.json"), empty}, " ")
	if have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	if _, err := readDocuments(nil, empty); err == nil || !strings.Contains(err.Error(), "folder without files") {
		t.Errorf("have %v", err)
	}
	if _, err := readDocuments(nil, filepath.Join(dir, "none.yaml")); err == nil || strings.Count(err.Error(), "none.yaml") != 1 {
		t.Errorf("have %v", err)
	}
}
