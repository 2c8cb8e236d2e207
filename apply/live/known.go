package live

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/manifest"
)

// KnownInPlace reports whether want was applied, and is still as it was left.
func (l *Cache) KnownInPlace(want *unstructured.Unstructured) bool {
	id := manifest.IDOf(want)
	left, ok := l.Placements.Of(id)
	return ok && left.want == Fingerprint(want) && l.StillInPlace(id)
}

// StillInPlace is KnownInPlace for who knows that what was applied is what is wanted.
func (l *Cache) StillInPlace(id manifest.ID) bool {
	m, there := l.HashesOf(id)
	return there && l.Placements.asMarked(id, m)
}
