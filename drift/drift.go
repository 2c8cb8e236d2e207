// Package drift compares two states of one Kubernetes object and says who
// changed what.
//
// It does not know releases, plans or clusters, and does no I/O: both states are
// given, as the API server returned them.
package drift

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
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
	owners := ownersOf(live)
	out := make([]Field, 0, len(c.found))
	for _, f := range c.found {
		out = append(out, owners.attribute(f))
	}
	slices.SortFunc(out, func(a, b Field) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// difference is a field that differs, with its path as steps.
type difference struct {
	Field
	steps []step
}

// step is one part of a path: a map's key, or a list's element.
type step struct {
	key   string // map key
	name  string // the name of a list's element, if it has one
	index int    // position in a list; -1 for a map key
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
// containers, ports and volumes, and all others by position.
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

// text prints a path as people read it.
func text(at []step) string {
	var b strings.Builder
	for i, s := range at {
		switch {
		case s.index >= 0 && s.key == "" && s.name != "":
			fmt.Fprintf(&b, "[name=%s]", s.name)
		case s.index >= 0 && s.key == "":
			fmt.Fprintf(&b, "[%d]", s.index)
		case strings.ContainsAny(s.key, "./[]"):
			fmt.Fprintf(&b, "[%q]", s.key)
		case i > 0:
			b.WriteString("." + s.key)
		default:
			b.WriteString(s.key)
		}
	}
	return b.String()
}

// owners are the managers of an object, each with what it owns.
type owners []owner

type owner struct {
	manager, operation string
	at                 time.Time
	set                *fieldpath.Set
}

func ownersOf(u *unstructured.Unstructured) owners {
	var out owners
	for _, m := range u.GetManagedFields() {
		set, err := setOf(m)
		if err != nil || m.Subresource != "" {
			continue
		}
		o := owner{manager: m.Manager, operation: string(m.Operation), set: set}
		if m.Time != nil {
			o.at = m.Time.Time
		}
		out = append(out, o)
	}
	return out
}

func setOf(m metav1.ManagedFieldsEntry) (*fieldpath.Set, error) {
	set := &fieldpath.Set{}
	if m.FieldsV1 == nil {
		return set, nil
	}
	return set, set.FromJSON(m.FieldsV1.GetRawReader())
}

// attribute names the manager that owns a field that differs: the one that wrote
// last, if several do.
func (os owners) attribute(d difference) Field {
	f := d.Field
	for _, o := range os {
		if !owns(o.set, d.steps) || !o.at.After(f.Since) && f.Manager != "" {
			continue
		}
		f.Manager, f.Operation, f.Since = o.manager, o.operation, o.at
	}
	return f
}

// owns walks a set along a path; list elements are found by their name.
func owns(set *fieldpath.Set, at []step) bool {
	if len(at) == 0 {
		return !set.Empty()
	}
	found := false
	try := func(pe fieldpath.PathElement, below *fieldpath.Set) {
		if matches(pe, at[0]) && (len(at) == 1 || below != nil && owns(below, at[1:])) {
			found = true
		}
	}
	set.Members.Iterate(func(pe fieldpath.PathElement) { try(pe, nil) })
	set.Children.Iterate(func(pe fieldpath.PathElement) {
		if below, ok := set.Children.Get(pe); ok {
			try(pe, below)
		}
	})
	return found
}

func matches(pe fieldpath.PathElement, s step) bool {
	switch {
	case pe.FieldName != nil:
		return *pe.FieldName == s.key && s.key != ""
	case pe.Key != nil && s.name != "":
		for _, k := range *pe.Key {
			if k.Name == "name" && value.ToString(k.Value) == value.ToString(value.NewValueInterface(s.name)) {
				return true
			}
		}
	case pe.Index != nil:
		return s.key == "" && *pe.Index == s.index
	}
	return false
}

// OwnedByOthers reports whether a field, given by the keys that lead to it, has an
// owner besides self, through a subresource too.
func OwnedByOthers(live *unstructured.Unstructured, self string, keys ...any) bool {
	path, err := fieldpath.MakePath(keys...)
	if err != nil {
		return false
	}
	for _, m := range live.GetManagedFields() {
		if set, err := setOf(m); err == nil && m.Manager != self && set.Has(path) {
			return true
		}
	}
	return false
}

// Disown returns an object's managed fields without what people's tools own
// beside self: a field that both own stays in the cluster when self drops it
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
// What only the tools own stays theirs. It reports false when there is nothing of
// the kind. Tools are prefixes of managers' names.
func Disown(live *unstructured.Unstructured, self string, tools []string) ([]metav1.ManagedFieldsEntry, bool) {
	ours := &fieldpath.Set{}
	for _, o := range ownersOf(live) {
		if o.manager == self && o.operation == string(metav1.ManagedFieldsOperationApply) {
			ours = ours.Union(o.set)
		}
	}
	var out []metav1.ManagedFieldsEntry
	shared := false
	for _, m := range live.GetManagedFields() {
		tool := slices.ContainsFunc(tools, func(prefix string) bool { return strings.HasPrefix(m.Manager, prefix) })
		set, err := setOf(m)
		if err != nil || !tool || m.Operation != metav1.ManagedFieldsOperationUpdate || m.Subresource != "" || set.Intersection(ours).Empty() {
			out = append(out, m)
			continue
		}
		shared = true
		raw, err := set.Difference(ours).ToJSON()
		if err != nil || string(raw) == "{}" {
			continue
		}
		m.FieldsV1 = &metav1.FieldsV1{}
		m.FieldsV1.SetRawBytes(raw)
		out = append(out, m)
	}
	return out, shared
}

// Hash identifies what a projection holds: half of a SHA-256, which is enough to
// tell one object's states apart.
type Hash [sha256.Size / 2]byte

// ErrNotOurs says that a manager owns nothing of an object.
var ErrNotOurs = errors.New("the manager owns no field of the object")

// Projection hashes what manager self owns of an object by server-side apply:
// which fields, and their values. Two objects with the same projection are the
// same in all that self applied; the reverse need not hold. It works on the whole
// of what lies below a field that is owned, and on metadata that self may own.
func Projection(live *unstructured.Unstructured, self string) (Hash, error) {
	for _, m := range live.GetManagedFields() {
		if m.Manager != self || m.Operation != metav1.ManagedFieldsOperationApply || m.Subresource != "" || m.FieldsV1 == nil {
			continue
		}
		var tree map[string]any
		if err := json.Unmarshal(m.FieldsV1.GetRawBytes(), &tree); err != nil {
			return Hash{}, fmt.Errorf("read managedFields: %w", err)
		}
		raw, err := json.Marshal([]any{tree, project(tree, live.Object)})
		if err != nil {
			return Hash{}, err
		}
		sum := sha256.Sum256(raw)
		return Hash(sum[:len(Hash{})]), nil
	}
	return Hash{}, ErrNotOurs
}

// project keeps of a value what a managedFields tree names. Below a list it
// keeps every element whole: an element of a list is found by keys whose types
// only the schema knows, and more than needed is never a false "same".
func project(tree map[string]any, v any) any {
	m, ok := v.(map[string]any)
	if !ok || len(tree) == 0 {
		return v
	}
	out := map[string]any{}
	for key, below := range tree {
		name, ok := strings.CutPrefix(key, "f:")
		if !ok {
			continue
		}
		held, present := m[name]
		if !present {
			continue
		}
		sub, _ := below.(map[string]any)
		out[name] = project(sub, held)
	}
	return out
}
