package charts

import (
	"errors"

	"github.com/xetys/tether/render/fetch"
)

// AwayError says that something outside of the repository could not be asked: the
// inputs may be good, and are worth another try.
type AwayError struct{ Err error }

// Error says what could not be had, for which release, and why.
func (e *AwayError) Error() string { return e.Err.Error() }

// Unwrap returns the trouble.
func (e *AwayError) Unwrap() error { return e.Err }

// IsAway reports whether an error is worth another try: an AwayError, here or of package
// fetch.
func IsAway(err error) bool {
	var host *fetch.AwayError
	var away *AwayError
	return errors.As(err, &host) || errors.As(err, &away)
}
