package fetch

import (
	"errors"
	"fmt"
)

// AwayError says that a host could not be asked, or could not answer, or that what it
// sent could not be kept: it is worth asking again.
type AwayError struct{ Host, why string } // Host is empty for this machine

// Error says which host, and why. It is the same for the same trouble.
func (e *AwayError) Error() string {
	if e.Host == "" {
		return e.why
	}
	return fmt.Sprintf("%s can't answer: %s", e.Host, e.why)
}

// errAbsent says that a host has not got what it was asked for.
var errAbsent = errors.New("is not there")
