package drift

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// Sibling is a field of a live object that is not wanted, beside one that is.
type Sibling struct {
	// Path is the field as people read it.
	Path string
	// Owned says that somebody besides self owns the field, or what is in it. One that
	// nobody owns is a default of the server's.
	Owned bool

	path    fieldpath.Path
	pointer []string
}

// Siblings lists the fields of a live object that may be what the API server
// complains of when it refuses what is wanted: those that want does not have, at, beside or
// above a path that a complaint names, and elements of lists that want does not have, if a
// complaint is about a field in which one of them is as a wanted one: a port whose number
// somebody changed is another element by its keys, and has the name of the first. A path is
// the server's own, such as spec.template.spec.volumes[0].configMap; positions in lists are
// not compared, since they are those of the object that was refused.
func Siblings(live, want *unstructured.Unstructured, self string, complaints []string) []Sibling {
	s := siblings{live: live, others: othersOf(live, self)}
	for _, c := range complaints {
		s.complaints = append(s.complaints, anyIndex(c))
	}
	s.value(nil, nil, "", want.Object, live.Object, shapeOf(live))
	slices.SortFunc(s.found, func(a, b Sibling) int { return strings.Compare(a.Path, b.Path) })
	return s.found
}

type siblings struct {
	live       *unstructured.Unstructured
	complaints []string
	others     owners
	found      []Sibling
}

var position = regexp.MustCompile(`\[\d+\]`)

func anyIndex(path string) string { return position.ReplaceAllString(path, "[*]") }

func (s *siblings) value(path fieldpath.Path, pointer []string, text string, want, live any, at shape) {
	switch h := live.(type) {
	case map[string]any:
		if w, ok := want.(map[string]any); ok && !at.whole() {
			s.fields(path, pointer, text, w, h, at)
		}
	case []any:
		w, _ := want.([]any)
		keys := at.keys()
		for i, e := range h {
			p, to := append(slices.Clone(path), keyed(e, keys)), append(slices.Clone(pointer), strconv.Itoa(i))
			if j := counterpart(w, e, keys); j >= 0 {
				s.value(p, to, text+"[*]", w[j], e, at.element())
			} else if len(keys) > 0 && s.takesPlace(e, w, text+"[*].") {
				s.find(p, to)
			}
		}
	}
}

func (s *siblings) fields(path fieldpath.Path, pointer []string, text string, want, live map[string]any, at shape) {
	for _, k := range keysOf(live, nil) {
		if len(path) == 0 && (k == "metadata" || k == "status") {
			continue
		}
		name := k
		next := strings.TrimPrefix(text+"."+k, ".")
		p := append(slices.Clone(path), fieldpath.PathElement{FieldName: &name})
		to := append(slices.Clone(pointer), k)
		if w, wanted := want[k]; wanted && w != nil {
			s.value(p, to, next, w, live[k], at.field(k))
		} else if s.complainedOf(text, next) {
			s.find(p, to)
		}
	}
}

func (s *siblings) find(path fieldpath.Path, pointer []string) {
	s.found = append(s.found, Sibling{Path: pathOf(s.live, pointerText(pointer)), path: path, pointer: pointer,
		Owned: slices.ContainsFunc(s.others, func(o owner) bool { return reaches(o.set, path) })})
}

// takesPlace reports whether an element has, in a field below prefix that a complaint
// names, the value of one that is wanted.
func (s *siblings) takesPlace(e any, wanted []any, prefix string) bool {
	has := presence(e)
	return slices.ContainsFunc(s.complaints, func(c string) bool {
		field, below := strings.CutPrefix(c, prefix)
		v := has.under(step{key: field, index: -1})
		return below && v.ok && slices.ContainsFunc(wanted, func(w any) bool {
			x := presence(w).under(step{key: field, index: -1})
			return x.ok && same(x.value, v.value)
		})
	})
}

func (s *siblings) complainedOf(parent, path string) bool {
	return slices.ContainsFunc(s.complaints, func(c string) bool {
		return c == path || c == parent || parentOf(c) == parent || strings.HasPrefix(c, path+".") || strings.HasPrefix(c, path+"[")
	})
}

func parentOf(path string) string {
	if i := strings.LastIndexAny(path, ".["); i >= 0 {
		return path[:i]
	}
	return ""
}

// reaches reports whether a set has a path, or anything below it.
func reaches(set *fieldpath.Set, p fieldpath.Path) bool {
	if set.Has(p) {
		return true
	}
	for _, pe := range p {
		set = set.WithPrefix(pe)
	}
	return !set.Empty()
}

// keyed names an element of a list by its keys.
func keyed(e any, keys []string) fieldpath.PathElement {
	m, _ := e.(map[string]any)
	var list value.FieldList
	for _, k := range keys {
		if v, ok := m[k]; ok {
			list = append(list, value.Field{Name: k, Value: value.NewValueInterface(v)})
		}
	}
	return fieldpath.PathElement{Key: &list}
}

// Claim returns an object's managed fields with siblings, and all that is in them, as
// self's own and nobody else's: what self owns alone leaves the object when self applies
// it without (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership).
func Claim(live *unstructured.Unstructured, self string, found []Sibling) ([]managed, error) {
	claimed := &fieldpath.Set{}
	at := shapeOf(live)
	for _, s := range found {
		v, _ := lookup(live.Object, s.pointer)
		insertAll(claimed, s.path, v, at.along(s.path))
	}
	ours := managed{Manager: self, Operation: metav1.ManagedFieldsOperationApply, APIVersion: live.GetAPIVersion(), FieldsType: "FieldsV1"}
	own := claimed
	var out []managed
	for _, m := range live.GetManagedFields() {
		set, err := setOf(m)
		switch {
		case err != nil || m.Subresource != "":
			out = append(out, m)
		case m.Manager == self && m.Operation == metav1.ManagedFieldsOperationApply:
			ours, own = m, set.Union(claimed)
		default:
			if left := set.Difference(claimed); !left.Empty() {
				m, err = with(m, left)
				if err != nil {
					return nil, err
				}
				out = append(out, m)
			}
		}
	}
	ours, err := with(ours, own)
	return append(out, ours), err
}

// with returns an entry that owns a set instead.
func with(m managed, set *fieldpath.Set) (managed, error) {
	raw, err := set.ToJSON()
	m.FieldsV1 = &metav1.FieldsV1{}
	m.FieldsV1.SetRawBytes(raw)
	return m, err
}

// insertAll adds a path and all that is below it.
func insertAll(set *fieldpath.Set, path fieldpath.Path, v any, at shape) {
	set.Insert(path)
	switch v := v.(type) {
	case map[string]any:
		for _, k := range keysOf(v, nil) {
			name := k
			insertAll(set, append(slices.Clone(path), fieldpath.PathElement{FieldName: &name}), v[k], at.field(k))
		}
	case []any:
		if keys := at.keys(); len(keys) > 0 {
			for _, e := range v {
				insertAll(set, append(slices.Clone(path), keyed(e, keys)), e, at.element())
			}
		}
	}
}
