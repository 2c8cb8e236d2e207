package fields_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

// definition is a part of the API server's own description of its kinds.
type definition struct {
	Ref        string                                  `json:"$ref"`
	AllOf      []definition                            `json:"allOf"`
	Type       string                                  `json:"type"`
	Properties map[string]*definition                  `json:"properties"`
	Items      *definition                             `json:"items"`
	ListType   string                                  `json:"x-kubernetes-list-type"`
	Keys       []string                                `json:"x-kubernetes-list-map-keys"`
	Kinds      []struct{ Group, Version, Kind string } `json:"x-kubernetes-group-version-kind"`
}

type definitions map[string]*definition

func (ds definitions) of(d *definition) *definition {
	for _, ref := range append([]definition{*d}, d.AllOf...) {
		if name, ok := strings.CutPrefix(ref.Ref, "#/definitions/"); ok {
			return ds[name]
		}
	}
	return d
}

// merged finds the lists that are merged by keys, and returns an object for each with two
// elements of the same key.
func (ds definitions) merged(d *definition, above []*definition, wrap func(any) any, found func(any)) {
	if d = ds.of(d); slices.Contains(above, d) {
		return // a schema of schemas
	}
	above = append(slices.Clone(above), d)
	for name, p := range d.Properties {
		if name == "status" {
			continue
		}
		inner := func(v any) any { return wrap(map[string]any{name: v}) }
		p = ds.of(p)
		switch {
		case p.Items == nil:
			ds.merged(p, above, inner, found)
		case p.ListType == "map":
			e := map[string]any{}
			for _, k := range p.Keys {
				e[k] = "x"
			}
			found(inner([]any{e, e}))
		case p.ListType == "set":
			found(inner([]any{"x", "x"}))
		}
		if p.Items != nil {
			ds.merged(p.Items, above, func(v any) any {
				m, _ := v.(map[string]any)
				m["name"] = "x"
				return inner([]any{m})
			}, found)
		}
	}
}

// ofNodes are kinds that nodes and the API server make, and no chart.
var ofNodes = []string{"Node", "CSINode", "ResourceSlice", "ComponentStatus"}

// Each list that the API server merges by keys, of all its kinds, is one that a chart
// may not have an element of twice in.
func TestEachMergedListOfTheServersKindsIsKnown(t *testing.T) {
	w := newWorld(t)
	raw, err := w.server.Kube.Discovery().RESTClient().Get().AbsPath("/openapi/v2").DoRaw(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Definitions definitions }
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var missing []string
	for _, d := range doc.Definitions {
		if len(d.Kinds) != 1 || d.Properties["metadata"] == nil || strings.HasSuffix(d.Kinds[0].Kind, "List") || !manifest.IsBuiltIn(d.Kinds[0].Group) ||
			slices.Contains(ofNodes, d.Kinds[0].Kind) {
			continue
		}
		k := d.Kinds[0]
		doc.Definitions.merged(d, nil, func(v any) any { return v }, func(o any) {
			m, _ := o.(map[string]any)
			u := &unstructured.Unstructured{Object: m}
			u.SetAPIVersion(strings.TrimPrefix(k.Group+"/"+k.Version, "/"))
			u.SetKind(k.Kind)
			seen++
			if text := fmt.Sprint(o); manifest.Unrepeated(manifest.Object{Unstructured: u}, nil) == nil {
				missing = append(missing, text)
			}
		})
	}
	slices.Sort(missing)
	if seen < 200 || len(missing) > 0 {
		t.Errorf("%d lists; not known:\n%s", seen, strings.Join(missing, "\n"))
	}
}
