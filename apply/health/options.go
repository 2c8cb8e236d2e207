package health

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Presence says whether something is there, or that this is not known.
type Presence int

// Presences.
const (
	PresenceUnknown Presence = iota
	Absent
	Present
)

// Options are what is known beside the object.
type Options struct {
	// Applied is what was applied, if that is known: a pause that it asks for is no
	// hold.
	Applied *unstructured.Unstructured
	// Manager is the field manager that applied it: what it owns was asked for.
	Manager string
	// Rules go before the built-in ones.
	Rules *Rules
	// Status says whether a kind has a status subresource, if somebody can.
	Status func(schema.GroupVersionKind) Presence
	// Now is the time; zero if the object is a snapshot, of which nobody knows how old
	// it is.
	Now time.Time
}
