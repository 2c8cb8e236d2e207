package source

import (
	"context"
	"errors"
	"time"
)

// Proposal is a commit that is to be made: files that get other contents.
type Proposal struct {
	// Ref is what is followed; it has to be a branch. Base is its head, which the commit
	// builds upon.
	Ref  Ref
	Base string
	// Branch is a new branch for the commit; empty for that of Ref itself.
	Branch string
	// Files are the new contents of files that are there, by their paths.
	Files map[string][]byte
	// Message is the commit's; Time is when it is made.
	Message string
	Time    time.Time
}

// Pusher is a source that takes commits. It is safe for concurrent use.
type Pusher interface {
	// Push makes a commit and pushes it, and returns its ID. What was pushed is the whole
	// proposal or nothing. It waits for the network.
	Push(ctx context.Context, p Proposal) (commit string, err error)
}

var (
	// ErrMoved says that a branch has another head by now: the proposal is to be made anew.
	ErrMoved = errors.New("the branch has another head by now")
	// ErrProposed says that a proposal's own branch is there already: it was pushed before.
	ErrProposed = errors.New("the branch is there already")
)
