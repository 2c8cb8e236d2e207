package drift

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Foreign lists the fields that people's tools added to an object beside what self
// applied, sorted by path: those that such a tool owns, and neither self nor
// anything else does. What a controller owns too is the controller's. Tools are
// prefixes of managers' names; changes through a subresource, such as scale, are
// not looked at. Paths of ignored, JSON pointers, and what lies below them, are
// left out.
func Foreign(live *unstructured.Unstructured, self string, tools, ignored []string) []Field {
	found := foreign(live, self, tools, ignored)
	out := make([]Field, len(found))
	for i, f := range found {
		out[i] = f.Field
	}
	return out
}

// ForeignHash identifies what Foreign finds of an object; zero if that is nothing.
func ForeignHash(live *unstructured.Unstructured, self string, tools []string) Hash {
	found := foreign(live, self, tools, nil)
	if len(found) == 0 {
		return Hash{}
	}
	h := sha256.New()
	for _, f := range found {
		raw, _ := json.Marshal([]any{f.Path, f.Manager, f.value}) // values came as JSON
		h.Write(raw)
	}
	return Hash(h.Sum(nil)[:len(Hash{})])
}

// Strip returns a JSON patch (RFC 6902) that removes what Foreign finds of an
// object, if it is still the version that is given; nil if there is nothing.
func Strip(live *unstructured.Unstructured, self string, tools, ignored []string) ([]byte, error) {
	found := foreign(live, self, tools, ignored)
	if len(found) == 0 {
		return nil, nil
	}
	// The last elements of a list go first, so that the others keep their places.
	slices.SortFunc(found, func(a, b alien) int { return -comparePointers(a.pointer, b.pointer) })
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value string `json:"value,omitempty"`
	}
	patch := []operation{{Op: "test", Path: "/metadata/resourceVersion", Value: live.GetResourceVersion()}}
	for _, f := range found {
		patch = append(patch, operation{Op: "remove", Path: pointerText(f.pointer)})
	}
	return json.Marshal(patch)
}

// alien is a foreign field, and where it is in the object.
type alien struct {
	Field
	pointer []string
	value   any
}

// left are annotations by which tools ask for something once, and which are not
// worth a word: kubectl rollout restart does it by one.
var left = map[string]bool{
	`spec.template.metadata.annotations["kubectl.kubernetes.io/restartedAt"]`: true,
}

func foreign(live *unstructured.Unstructured, self string, tools, ignored []string) []alien {
	if live == nil || !slices.ContainsFunc(managersOf(live), func(m map[string]any) bool {
		manager, _ := m["manager"].(string)
		return isTool(manager, tools)
	}) {
		return nil
	}
	owners := ownersOf(live)
	others := &fieldpath.Set{}
	for _, o := range owners {
		if !isTool(o.manager, tools) {
			others = others.Union(o.set)
		}
	}
	secret := live.GetKind() == "Secret" && live.GroupVersionKind().Group == ""
	var out []alien
	for _, o := range owners {
		if o.manager == self || !isTool(o.manager, tools) {
			continue
		}
		for _, p := range outermost(o.set.Difference(others)) {
			f, ok := find(live, p)
			if !ok || hidden(f.Path) || slices.ContainsFunc(ignored, func(i string) bool { return leadsTo(parsePointer(i), f.pointer) }) {
				continue
			}
			f.Want, f.Have = absent, show(f.value)
			if secret && (f.pointer[0] == "data" || f.pointer[0] == "stringData") {
				f.Have = masked
			}
			f.Manager, f.Operation, f.Since = o.manager, o.operation, o.at
			if !slices.ContainsFunc(out, func(a alien) bool { return a.Path == f.Path }) {
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b alien) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

func isTool(manager string, tools []string) bool {
	return slices.ContainsFunc(tools, func(prefix string) bool { return strings.HasPrefix(manager, prefix) })
}

// hidden reports whether a path is the server's, or not worth a word.
func hidden(path string) bool {
	if left[path] {
		return true
	}
	for n := range noise {
		if below(path, n) {
			return true
		}
	}
	return false
}

// below reports whether a path is another one, or lies below it.
func below(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// leadsTo reports whether a pointer is another one, or leads to it.
func leadsTo(p, other []string) bool {
	return len(p) <= len(other) && slices.Equal(p, other[:len(p)])
}

// outermost reduces a set to what one would point at: an added element of a list as
// a whole, and of everything else the leaves.
func outermost(set *fieldpath.Set) []fieldpath.Path {
	var all []fieldpath.Path
	set.Iterate(func(p fieldpath.Path) { all = append(all, p.Copy()) })
	var out []fieldpath.Path
	for i, p := range all {
		covered := slices.ContainsFunc(all, func(q fieldpath.Path) bool { return len(q) < len(p) && isElement(q) && leads(q, p) })
		inner := !isElement(p) && slices.ContainsFunc(all[i+1:], func(q fieldpath.Path) bool { return len(q) > len(p) && leads(p, q) })
		if !covered && !inner {
			out = append(out, p)
		}
	}
	return out
}

func isElement(p fieldpath.Path) bool { return len(p) > 0 && p[len(p)-1].FieldName == nil }

// leads reports whether path p is the beginning of path q.
func leads(p, q fieldpath.Path) bool {
	for i := range p {
		if !p[i].Equals(q[i]) {
			return false
		}
	}
	return true
}

// find walks an object along a path of managedFields.
func find(live *unstructured.Unstructured, p fieldpath.Path) (alien, bool) {
	var f alien
	var text strings.Builder
	at := any(live.Object)
	for _, pe := range p {
		switch v := at.(type) {
		case map[string]any:
			if pe.FieldName == nil {
				return f, false
			}
			next, ok := v[*pe.FieldName]
			if !ok {
				return f, false
			}
			text.WriteString(keyText(*pe.FieldName, text.Len() == 0))
			f.pointer, at = append(f.pointer, *pe.FieldName), next
		case []any:
			i := slices.IndexFunc(v, func(e any) bool { return isAt(pe, e) })
			if pe.Index != nil && *pe.Index < len(v) {
				i = *pe.Index
			}
			if i < 0 {
				return f, false
			}
			text.WriteString(elementText(pe, i))
			f.pointer, at = append(f.pointer, strconv.Itoa(i)), v[i]
		default:
			return f, false
		}
	}
	f.Path, f.value = text.String(), at
	return f, len(f.pointer) > 0
}

// isAt reports whether a list's element is the one that a path names by its keys,
// or by its value.
func isAt(pe fieldpath.PathElement, e any) bool {
	if pe.Value != nil {
		return value.Equals(*pe.Value, value.NewValueInterface(e))
	}
	m, ok := e.(map[string]any)
	if !ok || pe.Key == nil {
		return false
	}
	for _, k := range *pe.Key {
		if have, ok := m[k.Name]; !ok || !value.Equals(k.Value, value.NewValueInterface(have)) {
			return false
		}
	}
	return true
}

func elementText(pe fieldpath.PathElement, i int) string {
	switch {
	case pe.Key != nil:
		var parts []string
		for _, k := range *pe.Key {
			if s := fmt.Sprint(k.Value.Unstructured()); len(*pe.Key) == 1 || k.Name != "protocol" {
				parts = append(parts, k.Name+"="+s)
			}
		}
		return "[" + strings.Join(parts, ",") + "]"
	case pe.Value != nil:
		return "[" + value.ToString(*pe.Value) + "]"
	}
	return fmt.Sprintf("[%d]", i)
}

// comparePointers orders JSON pointers so that of two elements of a list the one
// with the lower position comes first.
func comparePointers(a, b []string) int {
	return slices.CompareFunc(a, b, func(x, y string) int {
		i, err1 := strconv.Atoi(x)
		j, err2 := strconv.Atoi(y)
		if err1 == nil && err2 == nil {
			return cmp.Compare(i, j)
		}
		return cmp.Compare(x, y)
	})
}

var escape = strings.NewReplacer("~", "~0", "/", "~1")

func pointerText(steps []string) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString("/" + escape.Replace(s))
	}
	return b.String()
}
