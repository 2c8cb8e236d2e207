package drift

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// owners are the managers of an object, each with what it owns.
type owners []owner

type owner struct {
	manager, operation string
	at                 time.Time
	set                *fieldpath.Set
}

type managed = metav1.ManagedFieldsEntry

// ownersOf leaves out what was written through subresources. writersOf leaves out the
// status alone: kubectl scale writes replicas through one.
func ownersOf(u *unstructured.Unstructured) owners {
	return owning(u, func(m managed) bool { return m.Subresource == "" })
}

func writersOf(u *unstructured.Unstructured) owners {
	return owning(u, func(m managed) bool { return m.Subresource != "status" })
}

func allOwnersOf(u *unstructured.Unstructured) owners {
	return owning(u, func(managed) bool { return true })
}

func owning(u *unstructured.Unstructured, wanted func(managed) bool) owners {
	var out owners
	for _, m := range u.GetManagedFields() {
		if !wanted(m) {
			continue
		}
		set, err := setOf(m)
		if err != nil {
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

func setOf(m managed) (*fieldpath.Set, error) {
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

// owns walks a set along a path; list elements are found by their name. Who owns a list or
// a map as a whole, such as the arguments of a container, owns what is in it.
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
	set.Members.Iterate(func(pe fieldpath.PathElement) {
		try(pe, nil)
		if _, parts := set.Children.Get(pe); !parts && pe.FieldName != nil && matches(pe, at[0]) {
			found = true
		}
	})
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

// OwnedBy reports whether a manager owns a field, given by the keys that lead to it, by
// server-side apply.
func OwnedBy(live *unstructured.Unstructured, manager string, keys ...any) bool {
	path, err := fieldpath.MakePath(keys...)
	if err != nil {
		return false
	}
	for _, o := range ownersOf(live) {
		if o.manager == manager && o.operation == string(metav1.ManagedFieldsOperationApply) && o.set.Has(path) {
			return true
		}
	}
	return false
}

// Disown returns an object's managed fields without what people's tools own
// beside self: a field that both own stays in the cluster when self drops it
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
// Fields that only the tools own stay theirs. It reports false when there is nothing of
// the kind. Tools are prefixes of managers' names.
func Disown(live *unstructured.Unstructured, self string, tools []string) ([]managed, bool) {
	ours := &fieldpath.Set{}
	for _, o := range ownersOf(live) {
		if o.manager == self && o.operation == string(metav1.ManagedFieldsOperationApply) {
			ours = ours.Union(o.set)
		}
	}
	var out []managed
	shared := false
	for _, m := range live.GetManagedFields() {
		set, err := setOf(m)
		if err != nil || !isTool(m.Manager, tools) || m.Subresource != "" || set.Intersection(ours).Empty() {
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
