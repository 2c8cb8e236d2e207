// Package drift compares two states of one Kubernetes object and says who
// changed what.
//
// It does not know releases, plans or clusters, and does no I/O: both states are
// given, as the API server returned them.
package drift

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Field is one field of an object that is not as it was applied. Want and Have
// are JSON, shortened; "(absent)" is no value. Values of Secrets are masked.
type Field struct {
	Path       string
	Want, Have string
	// Manager is the field manager that owns the field now; empty if nobody
	// does, because it was removed. Operation is Apply or Update.
	Manager, Operation string
	// Since is when the manager last wrote, to the second.
	Since time.Time
}

const (
	absent  = "(absent)"
	masked  = "***"
	longest = 200
)

// noise is what the server writes by itself.
var noise = map[string]bool{
	"metadata.managedFields": true, "metadata.resourceVersion": true, "metadata.generation": true, "metadata.uid": true,
	"metadata.creationTimestamp": true, "metadata.selfLink": true, "status": true,
	`metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]`: true,
}

// Compare lists where the object as it is (live) differs from what a server-side
// apply would leave (applied), sorted by path, each with its manager. Both come
// from the server, so values are compared as they are.
func Compare(live, applied *unstructured.Unstructured) []Field {
	if live == nil || applied == nil {
		return nil
	}
	c := comparer{secret: live.GetKind() == "Secret" && live.GroupVersionKind().Group == ""}
	c.value(nil, applied.Object, live.Object)
	owners := writersOf(live)
	out := make([]Field, 0, len(c.found))
	for _, f := range c.found {
		if f.order {
			out = append(out, f.Field)
			continue
		}
		out = append(out, owners.attribute(f))
	}
	slices.SortFunc(out, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// difference is a field that differs, with its path as steps.
type difference struct {
	Field
	steps []step
	order bool // of a list, which no manager owns
}

type comparer struct {
	secret bool
	found  []difference
}

func (c *comparer) value(at []step, want, have any) {
	if noise[text(at)] {
		return
	}
	wm, wok := want.(map[string]any)
	hm, hok := have.(map[string]any)
	if wok && hok {
		c.maps(at, wm, hm)
		return
	}
	wl, wok := want.([]any)
	hl, hok := have.([]any)
	if wok && hok {
		c.lists(at, wl, hl)
		return
	}
	if !same(want, have) {
		c.add(at, want, have)
	}
}

func (c *comparer) maps(at []step, want, have map[string]any) {
	for _, k := range keysOf(want, have) {
		w, inWant := want[k]
		h, inHave := have[k]
		next := append(slices.Clone(at), step{key: k, index: -1})
		switch {
		case inWant && inHave:
			c.value(next, w, h)
		case noise[text(next)]:
		case inWant:
			c.add(next, w, missing{})
		default:
			c.add(next, missing{}, h)
		}
	}
}

// lists aligns lists whose elements all have names by them, as the API does for
// containers, ports and volumes, and all others by position. Their order counts as well:
// init containers run in it, and variables refer to those before them.
func (c *comparer) lists(at []step, want, have []any) {
	wn, wok := byName(want)
	hn, hok := byName(have)
	if !wok || !hok {
		for i := range max(len(want), len(have)) {
			c.value(append(slices.Clone(at), step{index: i}), element(want, i), element(have, i))
		}
		return
	}
	for _, name := range keysOf(wn, hn) {
		next := append(slices.Clone(at), step{name: name})
		w, inWant := wn[name]
		h, inHave := hn[name]
		switch {
		case inWant && inHave:
			c.value(next, w, h)
		case inWant:
			c.add(next, w, missing{})
		default:
			c.add(next, missing{}, h)
		}
	}
	if w, h := inOrder(want, hn), inOrder(have, wn); !slices.Equal(w, h) {
		c.add(at, w, h)
		c.found[len(c.found)-1].order = true
	}
}

// inOrder lists the names of a list's elements that another list has as well.
func inOrder(list []any, other map[string]any) []string {
	var out []string
	for _, e := range list {
		m, _ := e.(map[string]any)
		name, _ := m["name"].(string)
		if _, both := other[name]; both {
			out = append(out, name)
		}
	}
	return out
}

// missing stands for no value at all, as opposed to null.
type missing struct{}

func element(l []any, i int) any {
	if i < len(l) {
		return l[i]
	}
	return missing{}
}

func byName(l []any) (map[string]any, bool) {
	out := make(map[string]any, len(l))
	for _, e := range l {
		m, ok := e.(map[string]any)
		if !ok {
			return nil, false
		}
		name, ok := m["name"].(string)
		if _, twice := out[name]; !ok || twice {
			return nil, false
		}
		out[name] = e
	}
	return out, true
}

func keysOf(a, b map[string]any) []string {
	out := make([]string, 0, len(a)+len(b))
	for k := range a {
		out = append(out, k)
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// same compares leaves; an int64 and a float64 of the same number are the same.
func same(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return true
	}
	x, xok := number(a)
	y, yok := number(b)
	return xok && yok && x == y
}

func number(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func (c *comparer) add(at []step, want, have any) {
	f := Field{Path: text(at), Want: show(want), Have: show(have)}
	if c.secret && len(at) > 0 && (at[0].key == "data" || at[0].key == "stringData") {
		f.Want, f.Have = mask(want), mask(have)
	}
	c.found = append(c.found, difference{Field: f, steps: at})
}

func show(v any) string {
	if _, ok := v.(missing); ok {
		return absent
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("(%T)", v)
	}
	if len(raw) > longest {
		return strings.ToValidUTF8(string(raw[:longest]), "") + "…"
	}
	return string(raw)
}

func mask(v any) string {
	if _, ok := v.(missing); ok {
		return absent
	}
	return masked
}
