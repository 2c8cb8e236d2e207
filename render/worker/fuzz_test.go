package worker

import (
	"bytes"
	"io"
	"testing"

	"golang.org/x/tools/txtar"
)

// Whatever arrives instead of a message is an error or a message, and nothing is
// taken for more than it is.
func FuzzMessage(f *testing.F) {
	for _, m := range []any{
		&response{Resident: 1, Names: []string{"a"}, Outline: []byte("{}")},
		&response{Rendered: &Rendered{Manifest: "a: b", Hooks: []Hook{{Path: "a"}}}},
		&request{Do: execute, Chart: "a", NewChart: &Chart{ID: "a", Deps: []*Chart{{ID: "b", Files: []File{{"a", []byte("b")}}}}}},
	} {
		var b bytes.Buffer
		if err := newWire(nil, &b).Send(m, maxMessage); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_ = newWire(bytes.NewReader(raw), io.Discard).Receive(&response{}, maxMessage)
		_ = newWire(bytes.NewReader(raw), io.Discard).Receive(&request{}, maxMessage)
		if ch, err := parseOutline(raw); err == nil && ch.Metadata == nil {
			t.Error("an outline without metadata")
		}
	})
}

// Whatever a chart's files hold, they are read to an end, and what is a chart has
// an outline.
func FuzzChart(f *testing.F) {
	const first = "-- Chart.yaml --\napiVersion: v2\nname: web\nversion: 1.0.0\n"
	f.Add([]byte(first))
	f.Add([]byte(first + "dependencies: [{name: db, alias: x, condition: db.enabled, import-values: [a, {child: a, parent: b}]}]\n-- charts/db/Chart.yaml --\nname: db\nversion: 1\n-- values.yaml --\ndb: {enabled: true}\n"))
	f.Add([]byte(first + "-- charts/db.tgz --\n\x1f\x8b\x08\n-- values.schema.json --\n{\"$ref\": \"#\"}\n-- crds/a.yaml --\na: &a [*a]\n"))
	f.Add([]byte("-- Chart.yaml --\n{apiVersion: v1, name: a, version: 1.0.0}\n-- requirements.yaml --\ndependencies: [{name: b}]\n-- requirements.lock --\n{}\n-- Chart.lock --\nnull\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := &Chart{ID: "a"}
		for _, file := range txtar.Parse(raw).Files {
			c.Files = append(c.Files, File{file.Name, file.Data})
		}
		h := newHelm(nil)
		out := h.do(&request{Do: describe, Chart: "a", NewChart: c})
		if out.Error == "" {
			if _, err := parseOutline(out.Outline); err != nil {
				t.Error(err)
			}
		}
		h.do(&request{Do: define, Chart: "a", Release: Release{Values: []byte(`{"db": {"enabled": false}}`)}})
	})
}
