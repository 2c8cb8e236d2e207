package live

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

// KnownInPlace reports whether want was applied, and the object has not changed since.
func (l *Cache) KnownInPlace(want *unstructured.Unstructured) bool {
	id := manifest.IDOf(want)
	left, ok := l.Placements.Of(id)
	return ok && left.want == Fingerprint(want) && l.StillInPlace(id)
}

// StillInPlace is KnownInPlace for a caller that knows that the applied object is the wanted
// one.
func (l *Cache) StillInPlace(id manifest.ID) bool {
	m, there := l.HashesOf(id)
	return there && l.Placements.asMarked(id, m)
}
