package rollout

import (
	"errors"
)

// ErrInterrupted ends the waits of what is carried out, so that it is decided
// anew: nothing is wrong with it.
var ErrInterrupted = errors.New("interrupted")

type Interruption struct{ Text string }

func (i *Interruption) Error() string { return i.Text }

// Is makes every interruption an errInterrupted.
func (i *Interruption) Is(target error) bool { return target == ErrInterrupted }
