package survey

import (
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// claims reports whether an object asks for a volume of some size.
func claims(o manifest.Object) bool {
	_, has, _ := unstructured.NestedFieldNoCopy(o.Object, plan.SizeOfClaim...)
	return has && o.ID().GroupKind() == plan.ClaimKind
}

// grown returns a claim as it is applied to one that is larger: a volume grows by hand,
// by an operator or by a later commit, and never shrinks
// (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#expanding-persistent-volumes-claims).
func grown(want, live *unstructured.Unstructured) *unstructured.Unstructured {
	size := func(u *unstructured.Unstructured) (resource.Quantity, bool) {
		text, _, _ := unstructured.NestedString(u.Object, plan.SizeOfClaim...)
		q, err := manifest.Quantity(text)
		return q, err == nil
	}
	asked, ok := size(want)
	there, known := size(live)
	if !ok || !known || asked.Cmp(there) >= 0 {
		return want
	}
	return leftTo(want, live, plan.SizeOfClaim...)
}

// leftTo returns an object without a field that somebody else owns; as long as nobody
// does the field is what it is in the cluster, since one that its only owner drops goes
// back to its default.
func leftTo(want, live *unstructured.Unstructured, at ...string) *unstructured.Unstructured {
	now, there, _ := unstructured.NestedFieldNoCopy(live.Object, at...)
	_, asked, _ := unstructured.NestedFieldNoCopy(want.Object, at...)
	keys := make([]any, len(at))
	for i, k := range at {
		keys[i] = k
	}
	out := want.DeepCopy()
	switch {
	case drift.OwnedByOthers(live, ownership.FieldManager, keys...):
		out.Object, _ = removed(out.Object, at)
	case there && (asked || drift.OwnedBy(live, ownership.FieldManager, keys...)):
		if unstructured.SetNestedField(out.Object, now, at...) != nil {
			return want // what is in its way is no map: the server says what is wrong with it
		}
	}
	return out
}

// removed takes a field out of a map, and what is empty for it; it reports whether the
// map is empty then.
func removed(m map[string]any, at []string) (map[string]any, bool) {
	if len(at) == 1 {
		delete(m, at[0])
	} else if below, ok := m[at[0]].(map[string]any); ok {
		if _, empty := removed(below, at[1:]); empty {
			delete(m, at[0])
		}
	}
	return m, len(m) == 0
}
