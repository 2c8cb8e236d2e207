package plan

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

// ExpiresWhenFinished reports whether the cluster deletes an object by itself once it has
// ended: a Job with a ttlSecondsAfterFinished. It runs once in each rollout, as with Helm; its
// absence afterwards is not drift.
func ExpiresWhenFinished(u *unstructured.Unstructured) bool {
	if u == nil || manifest.IDOf(u).GroupKind() != JobKind {
		return false
	}
	_, set, _ := unstructured.NestedFieldNoCopy(u.Object, "spec", "ttlSecondsAfterFinished")
	return set
}

// WithoutExpired returns the plan of an unchanged release without the objects that have ended
// and were deleted by the cluster.
func (p Plan) WithoutExpired() Plan {
	p.Changes = slices.DeleteFunc(slices.Clone(p.Changes), func(c Change) bool {
		return c.Action == Create && ExpiresWhenFinished(c.Object)
	})
	return p
}
