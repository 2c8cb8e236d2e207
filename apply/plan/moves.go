package plan

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
)

// Moves says which objects are handed over from one release of an environment to another by the
// same commit. Releases are named "namespace/name". The zero value moves nothing.
type Moves struct {
	// Owners says to which release an object belongs from now on.
	Owners map[manifest.ID]string
	// Changing are the releases that the commit changes or removes: what one of them no
	// longer has, another may take.
	Changing map[string]bool
	// Gone reports whether a release is not there any more: what it left behind, a kept
	// claim perhaps, may be taken. Nil if that is not known.
	Gone func(release string) bool
	// Lists reports whether a release lists an object, by what its records intend. Nil if
	// that is not known.
	Lists func(release string, id manifest.ID) bool
	// Holder returns the release, besides one, that the agent holds an object for; empty if
	// there is none. Nil if that is not known.
	Holder func(besides string, id manifest.ID) string
}

// gives reports whether a live object of another release of the environment may become
// rel's.
func (m Moves) gives(rel Owner, live *unstructured.Unstructured) bool {
	a := live.GetAnnotations()
	if a[ownership.AnnotRelease] == "" || live.GetLabels()[ownership.LabelEnvironment] != rel.Environment {
		return false
	}
	from := a[ownership.AnnotReleaseSpace] + "/" + a[ownership.AnnotRelease]
	if m.Changing[from] && m.Owners[manifest.IDOf(live)] == rel.key() {
		return true
	}
	return m.Gone != nil && m.Gone(from) || m.Lists != nil && !m.Lists(from, manifest.IDOf(live))
}

// newOwner returns the other release of the environment that has an object which rel lists
// only because it went back; empty if there is none. It was handed over since.
func (m Moves) newOwner(rel Owner, id manifest.ID, live *unstructured.Unstructured) string {
	if !rel.Back || live != nil && rel.Owns(live) {
		return ""
	}
	if live == nil {
		if m.Holder == nil {
			return ""
		}
		return m.Holder(rel.key(), id)
	}
	a := live.GetAnnotations()
	to := a[ownership.AnnotReleaseSpace] + "/" + a[ownership.AnnotRelease]
	if m.Lists == nil || a[ownership.AnnotRelease] == "" || live.GetLabels()[ownership.LabelEnvironment] != rel.Environment || !m.Lists(to, id) {
		return ""
	}
	return to
}

// takenFrom returns the release that takes an object from rel; empty if none does.
func (m Moves) takenFrom(rel Owner, id manifest.ID) string {
	if to := m.Owners[id]; to != rel.key() {
		return to
	}
	return ""
}

func (o Owner) key() string { return o.Namespace + "/" + o.Name }
