package execute

import (
	"fmt"

	"github.com/xetys/tether/render/manifest"
)

// RefusedError says that the API server refuses an object, or that it belongs to another owner.
type RefusedError struct {
	manifest.ID
	Why string
	err error
}

// Error says which object was refused and why.
func (e *RefusedError) Error() string { return fmt.Sprintf("%s is refused: %s", e.ID, e.Why) }

// Unwrap returns the server's own error, if it was the server's.
func (e *RefusedError) Unwrap() error { return e.err }

// DeletionError says that the API server refuses to delete an object.
type DeletionError struct{ err error }

// Error names the object, and says what the server said.
func (e *DeletionError) Error() string { return e.err.Error() }

// Unwrap returns the server's answer.
func (e *DeletionError) Unwrap() error { return e.err }
