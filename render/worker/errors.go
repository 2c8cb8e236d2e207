package worker

import (
	"errors"
)

// Exceeded says which bound was reached: it is the repository's fault.
type Exceeded struct{ text string }

// Error is to follow the name of a release or chart.
func (e *Exceeded) Error() string { return e.text }

// ErrStart says that there is no worker: that is not the repository's fault.
var ErrStart = errors.New("can't start a process to render in")

// HelmError is what Helm says is wrong with a chart, its values or its templates, or
// kustomize with a patch.
type HelmError struct {
	text string
	// At is which of several patches is at fault.
	At int
}

// Error returns their words.
func (e *HelmError) Error() string { return e.text }

// tooMuch is an error about a bound.
type tooMuch struct{ error }

// errUser says that a worker can't be started as another user.
var errUser = errors.New("start it as another user")

// errUsed says that a worker ended which had done other things before, so that it
// may have been for want of memory that these took.
var errUsed = errors.New("the process ended, and had been used before")

// errKilled says that neither the worker nor who started it ended it.
var errKilled = errors.New("something ended the process")
