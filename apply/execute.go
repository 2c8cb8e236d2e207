package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// errComing says that an object waits for what another release of the same
// commit brings, and has not brought yet.
const errComing = apierror.Pending("it is not there yet")

// errBlocked says that a deletion takes its time: nothing is wrong with what was
// deployed, and it is waited for again.
const errBlocked = apierror.Pending("it is still there")

// Apply writes what a plan changes, stage by stage, deletions left out: those
// are Prune's. Objects that were deferred are surveyed on their turn. It returns
// at the first stage with an error, with what that stage could not write; all of
// it can be repeated. ctx is for requests; what takes as long as it takes (a deletion, a
// kind that is to come) ends with waits too: with its cause, or with an UnhealthyError
// when its deadline has passed. progress is told of what is waited for, as in WaitFor.
func (c *Cluster) Apply(ctx, waits context.Context, rel plan.Owner, p plan.Plan, progress func([]Health)) error {
	if err := c.unguard(ctx, waits, p); err != nil {
		return err
	}
	for stage := range plan.Stages {
		changes := p.Stage(stage)
		if len(changes) == 0 {
			continue
		}
		if err := c.applyStage(ctx, waits, rel, changes, p.Coming, progress); err != nil {
			return err
		}
		if stage == plan.StageDefinitions {
			if err := c.established(ctx, waits, changes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) applyStage(ctx, waits context.Context, rel plan.Owner, changes []plan.Change, coming plan.Coming, progress func([]Health)) error {
	var wg sync.WaitGroup
	errs := make([]error, len(changes))
	for i, ch := range changes {
		release, err := c.Turns.Acquire(ctx)
		if err != nil {
			errs[i] = err
			break
		}
		turn := &turn{queue: c.Turns, release: release}
		wg.Go(func() {
			defer turn.end()
			w, done := waitingFor(ctx, waits, turn, progress)
			defer done()
			errs[i] = c.applyOne(ctx, w, rel, ch, coming)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) applyOne(ctx context.Context, w *waiting, rel plan.Owner, ch plan.Change, coming plan.Coming) error {
	switch ch.Action {
	case plan.Deferred:
		return c.applyDeferred(ctx, w, rel, ch, coming)
	case plan.Recreate:
		return c.recreate(ctx, w, ch, coming)
	case plan.Update:
		if ch.Differs() {
			if err := c.writeAgain(ctx, rel, ch); err != nil {
				return err
			}
		}
		if rel.Strict && len(ch.Foreign) > 0 {
			return c.strip(ctx, rel, ch)
		}
		return nil
	default:
		return c.writeAgain(ctx, rel, ch)
	}
}

// writeAgain is write, repeated when there is trouble on the way.
func (c *Cluster) writeAgain(ctx context.Context, rel plan.Owner, ch plan.Change) error {
	return apierror.Retry(ctx, func() error { return c.write(ctx, rel, ch) })
}

// applyDeferred plans an object anew, now that what it waited for is there.
func (c *Cluster) applyDeferred(ctx context.Context, w *waiting, rel plan.Owner, ch plan.Change, coming plan.Coming) error {
	if ch.Valid && c.createValid(ctx, ch, coming) == nil {
		return nil
	}
	again, seen, err := c.replan(ctx, w, rel, ch, coming)
	if err != nil {
		return err
	}
	if err := c.Live.Watch(ctx, []*unstructured.Unstructured{ch.Object}); err != nil {
		return err
	}
	switch again.Action {
	case plan.Refused:
		return &RefusedError{ID: ch.ID, Why: again.Why, err: seen.Err}
	case plan.Unchanged:
		return nil
	case plan.Deferred:
		return fmt.Errorf("apply %s: %s: %w", ch.ID, again.Why, errComing)
	case plan.Recreate:
		return c.recreate(ctx, w, again, coming)
	default:
		return c.writeAgain(ctx, rel, again)
	}
}

// createValid writes an object that only waited for its namespace, if nothing of
// its name is there: its content needs no second dry-run.
func (c *Cluster) createValid(ctx context.Context, ch plan.Change, coming plan.Coming) error {
	there, err := c.exists(ctx, ch.Object, coming)
	if err != nil {
		return err
	}
	if there {
		return fmt.Errorf("%s exists", ch.ID)
	}
	if err := c.Live.Watch(ctx, []*unstructured.Unstructured{ch.Object}); err != nil {
		return err
	}
	ch.Live, ch.Judged = nil, ch.Object
	return c.write(ctx, plan.Owner{}, ch)
}

// The API server takes a moment until it serves what a CRD defines, or counts what a
// quota has been raised to, and says nowhere when it does: an object that waits for that
// is asked about until then.
const (
	definitionGrace = 10 * time.Second
	definitionPause = 50 * time.Millisecond
	longestDelay    = time.Second // between two questions
)

// replan surveys an object until nothing keeps it from being judged, or that takes
// longer than it should. What a program brings takes as long as the rollout may.
func (c *Cluster) replan(ctx context.Context, w *waiting, rel plan.Owner, ch plan.Change, coming plan.Coming) (plan.Change, plan.Seen, error) {
	program, brought := coming.ProgramOf(ch.Object.GroupVersionKind())
	deadline := time.Now().Add(definitionGrace)
	for pause := definitionPause; ; pause = min(2*pause, longestDelay) {
		seen, err := c.surveyOne(ctx, ch.Object, coming)
		if err != nil {
			return plan.Change{}, seen, err
		}
		again := plan.Judge(rel, manifest.Object{Unstructured: ch.Object}, seen, coming)
		comes := again.Action == plan.Deferred || again.Action == plan.Refused && len(coming.Kinds[ch.GroupKind()]) > 0
		patient := brought && again.Action == plan.Deferred
		if !comes || !patient && time.Now().After(deadline) {
			return again, seen, nil
		}
		reason := again.Why
		if patient {
			reason = fmt.Sprintf("%s has not brought its kind yet", program)
			w.tell(ch.ID, reason)
		}
		if err := w.sleep(pause); err != nil {
			return plan.Change{}, seen, w.ended(err, ch.ID, reason)
		}
		c.Rediscover()
	}
}

// RefusedError says that the API server, or an owner, would not have an object.
type RefusedError struct {
	manifest.ID
	Why string
	err error
}

// Error says which object was refused and why.
func (e *RefusedError) Error() string { return fmt.Sprintf("%s is refused: %s", e.ID, e.Why) }

// Unwrap returns the server's own error, if it was the server's.
func (e *RefusedError) Unwrap() error { return e.err }

// errGone is returned while waiting for an object that somebody deletes.
var errGone = errors.New("the object was deleted by somebody else")

// established waits until the API server serves the CRDs that were written, and
// has it asked anew what it can do.
func (c *Cluster) established(ctx, waits context.Context, changes []plan.Change) error {
	w, done := waitingFor(ctx, waits, nil, nil)
	defer done()
	ctx, cancel := context.WithTimeoutCause(w.Context, time.Minute, errors.New("the API server did not establish it within a minute"))
	defer cancel()
	for _, ch := range changes {
		err := c.until(ctx, ch.ID, func() (bool, error) {
			live, ok := c.Live.Get(ch.ID)
			if !ok {
				return false, errGone
			}
			r, err := status.Compute(live)
			return err == nil && r.Status == status.CurrentStatus, nil
		})
		if err != nil {
			return fmt.Errorf("wait for %s: %w", ch.ID, err)
		}
	}
	c.Rediscover()
	return nil
}

// until waits for a condition on the live cache, looking again whenever an event
// arrives.
func (c *Cluster) until(ctx context.Context, id manifest.ID, holds func() (bool, error)) error {
	events, end := c.Live.Subscribe([]manifest.ID{id})
	defer end()
	for {
		ok, err := holds()
		if ok || err != nil {
			return err
		}
		select {
		case <-events:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Prune deletes what a plan no longer wants, stage by stage, dependents first, and returns
// when it is gone: what an operator has to let go of is gone before the operator goes. An
// object that a finalizer holds beyond the deadline is an error that says so. Bounds without
// one leave it to ctx. progress is called with each object that is waited for. What the API
// server would not have deleted keeps nothing else from going, and is the error.
func (c *Cluster) Prune(ctx context.Context, p plan.Plan, bounds Bounds, progress func([]Health)) error {
	waits := ctx
	if !bounds.Deadline.IsZero() {
		var cancel context.CancelFunc
		waits, cancel = context.WithDeadline(ctx, bounds.End(time.Now()))
		defer cancel()
	}
	var denied []error
	for doomed := p.Doomed(); len(doomed) > 0; {
		n := slices.IndexFunc(doomed, func(ch plan.Change) bool { return ch.Stage != doomed[0].Stage })
		if n < 0 {
			n = len(doomed)
		}
		going, refused, err := c.removeAll(ctx, doomed[:n])
		if err != nil {
			return err
		}
		denied = append(denied, refused...)
		for _, ch := range going {
			if err := c.awaitGone(waits, ch, progress); err != nil {
				return errors.Join(append(denied, err)...)
			}
		}
		doomed = doomed[n:]
	}
	return errors.Join(denied...)
}

// removeAll has objects deleted, and returns those that are going, and why the API server
// would not have the others deleted. An error is trouble.
func (c *Cluster) removeAll(ctx context.Context, doomed []plan.Change) (going []plan.Change, denied []error, err error) {
	for _, ch := range doomed {
		if ch.Live.GetDeletionTimestamp() == nil { // else it is under way
			err := apierror.Retry(ctx, func() error { return c.remove(ctx, ch.Live) })
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

func (c *Cluster) awaitGone(ctx context.Context, ch plan.Change, progress func([]Health)) error {
	err := c.until(ctx, ch.ID, func() (bool, error) {
		live, ok := c.Live.Get(ch.ID)
		if !ok || live.GetUID() != ch.Live.GetUID() {
			return true, nil
		}
		if f := live.GetFinalizers(); len(f) > 0 && live.GetDeletionTimestamp() != nil && progress != nil {
			progress([]Health{{ID: ch.ID, State: Progressing, Reason: fmt.Sprintf("it is being deleted, and finalizers %v hold it", f)}})
		}
		return false, nil
	})
	if err == nil || ctx.Err() == nil {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errBlocked
	}
	if live, ok := c.Live.Get(ch.ID); ok && len(live.GetFinalizers()) > 0 {
		return fmt.Errorf("wait until %s is gone: finalizers %v hold it: %w", ch.ID, live.GetFinalizers(), err)
	}
	return fmt.Errorf("wait until %s is gone: %w", ch.ID, err)
}
