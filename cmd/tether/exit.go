package main

import (
	"context"
	"errors"

	"github.com/xetys/tether/agent"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render/config"
)

// The exit codes are a contract with scripts.
const (
	exitFailed   = 1 // it failed, or there are differences
	exitUsage    = 2 // bad usage, or a refused repository
	exitTimedOut = 3 // or (health) it is in progress
)

// usageError is a wrong call, as opposed to a right one that failed.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

func exitCode(err error) int {
	var usage usageError
	var problems config.Problems
	var verdict *agent.VerdictError
	switch {
	case errors.As(err, &usage), errors.As(err, &problems):
		return exitUsage
	case errors.As(err, &verdict) && verdict.Verdict == ledger.Refused:
		return exitUsage
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errInProgress):
		return exitTimedOut
	}
	return exitFailed
}

// These say by the exit code alone what was printed before.
var (
	errDifferences = errors.New("there are differences")
	errUnhealthy   = errors.New("not healthy")
	errInProgress  = errors.New("in progress")
)
