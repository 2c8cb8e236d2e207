package rollout

import (
	"errors"
)

// ErrInterrupted ends the waits of a rollout, so that its release is decided on anew: nothing
// is wrong with the release.
var ErrInterrupted = errors.New("interrupted")

// The interruptions that have always the same text.
var (
	ErrSuperseded error = &Interruption{Text: "a newer commit has come"}
	ErrPaused     error = &Interruption{Text: "it was paused"}
)

// Interruption says why waits are ended. errors.Is finds ErrInterrupted in it.
type Interruption struct{ Text string }

// Error implements error.
func (i *Interruption) Error() string { return i.Text }

// Is makes every interruption an ErrInterrupted.
func (i *Interruption) Is(target error) bool { return target == ErrInterrupted }
