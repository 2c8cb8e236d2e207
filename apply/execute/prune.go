package execute

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/wait"
)

// Prune deletes the objects that a plan deletes, stage by stage, dependents first, and returns
// when they are gone: objects with an operator's finalizer are gone before the operator is
// deleted. An object that a finalizer holds beyond the deadline is an error that says so.
// Without a deadline in bounds, ctx ends the wait. progress is called with each object that is
// waited for. If the API server refuses a deletion, the others are done all the same, and the
// refusal is returned.
func (x *Executor) Prune(ctx context.Context, p plan.Plan, bounds wait.Bounds, progress func([]judge.Health)) error {
	waits := ctx
	if !bounds.Deadline.IsZero() {
		var cancel context.CancelFunc
		waits, cancel = context.WithDeadline(ctx, bounds.End(time.Now()))
		defer cancel()
	}
	var denied []error
	for doomed := p.Deletions(); len(doomed) > 0; {
		n := slices.IndexFunc(doomed, func(ch plan.Change) bool { return ch.Stage != doomed[0].Stage })
		if n < 0 {
			n = len(doomed)
		}
		going, refused, err := x.removeAll(ctx, doomed[:n])
		if err != nil {
			return err
		}
		denied = append(denied, refused...)
		for _, ch := range going {
			if err := x.awaitGone(waits, ch, progress); err != nil {
				return errors.Join(append(denied, err)...)
			}
		}
		doomed = doomed[n:]
	}
	return errors.Join(denied...)
}

// removeAll has objects deleted, and returns those that are going, and why the API server
// would not have the others deleted. An error is trouble.
func (x *Executor) removeAll(ctx context.Context, doomed []plan.Change) (going []plan.Change, denied []error, err error) {
	for _, ch := range doomed {
		if ch.Live.GetDeletionTimestamp() == nil { // else it is under way
			err := apierror.Retry(ctx, func() error { return x.remove(ctx, ch.Live) })
			if err != nil && (apierror.Transient(err) || ctx.Err() != nil) {
				return nil, nil, err
			}
			if err != nil {
				denied = append(denied, &DeletionError{err})
				continue
			}
		}
		going = append(going, ch)
	}
	return going, denied, nil
}
