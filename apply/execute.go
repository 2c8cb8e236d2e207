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

	"github.com/xetys/tether/render/manifest"
)

// Apply writes what a plan changes, stage by stage, deletions left out: those
// are Prune's. Objects that were deferred are surveyed on their turn. It returns
// at the first stage with an error, with what that stage could not write; all of
// it can be repeated.
func (c *Cluster) Apply(ctx context.Context, rel Owner, plan Plan) error {
	if err := c.unguard(ctx, plan); err != nil {
		return err
	}
	for stage := range stages {
		changes := plan.stage(stage)
		if len(changes) == 0 {
			continue
		}
		if err := c.applyStage(ctx, rel, changes, plan.coming); err != nil {
			return err
		}
		if stage == StageDefinitions {
			if err := c.established(ctx, changes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p Plan) stage(s Stage) []Change {
	var out []Change
	for _, c := range p.Changes {
		if c.Stage == s && c.Action.writes() && c.Action != Delete {
			out = append(out, c)
		}
	}
	return out
}

func (c *Cluster) applyStage(ctx context.Context, rel Owner, changes []Change, coming Coming) error {
	var wg sync.WaitGroup
	errs := make([]error, len(changes))
	for i, ch := range changes {
		release, err := c.turns.acquire(ctx)
		if err != nil {
			errs[i] = err
			break
		}
		wg.Go(func() {
			defer release()
			errs[i] = c.applyOne(ctx, rel, ch, coming)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (c *Cluster) applyOne(ctx context.Context, rel Owner, ch Change, coming Coming) error {
	switch ch.Action {
	case Deferred:
		return c.applyDeferred(ctx, rel, ch, coming)
	case Recreate:
		return c.recreate(ctx, ch)
	case Update:
		if ch.differs() {
			if err := c.write(ctx, ch); err != nil {
				return err
			}
		}
		if rel.Strict && len(ch.Foreign) > 0 {
			return c.strip(ctx, rel, ch)
		}
		return nil
	default:
		return c.write(ctx, ch)
	}
}

// applyDeferred plans an object anew, now that what it waited for is there.
func (c *Cluster) applyDeferred(ctx context.Context, rel Owner, ch Change, coming Coming) error {
	if ch.valid && c.createValid(ctx, ch, coming) == nil {
		return nil
	}
	again, seen, err := c.replan(ctx, rel, ch, coming)
	if err != nil {
		return err
	}
	if err := c.Live.Watch(ctx, []*unstructured.Unstructured{ch.Object}); err != nil {
		return err
	}
	switch again.Action {
	case Refused:
		return &RefusedError{ID: ch.ID, Why: again.Why, err: seen.Err}
	case Unchanged:
		return nil
	case Deferred:
		return fmt.Errorf("apply %s: %s: %w", ch.ID, again.Why, errComing)
	case Recreate:
		return c.recreate(ctx, again)
	default:
		return c.write(ctx, again)
	}
}

// createValid writes an object that only waited for its namespace, if nothing of
// its name is there: its content needs no second dry-run.
func (c *Cluster) createValid(ctx context.Context, ch Change, coming Coming) error {
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
	ch.Live, ch.judged = nil, ch.Object
	return c.write(ctx, ch)
}

// The API server takes a moment until it serves what a CRD defines, and says
// nowhere when it does: an object of the kind is asked about until then.
const (
	definitionGrace = 10 * time.Second
	definitionPause = 50 * time.Millisecond
)

func (c *Cluster) replan(ctx context.Context, rel Owner, ch Change, coming Coming) (Change, Seen, error) {
	deadline := time.Now().Add(definitionGrace)
	for pause := definitionPause; ; pause *= 2 {
		seen, err := c.surveyOne(ctx, ch.Object, coming)
		if err != nil {
			return Change{}, seen, err
		}
		again := wantChange(rel, manifest.Object{Unstructured: ch.Object}, seen)
		settled := again.Action != Refused && again.Action != Deferred
		if settled || coming.Kinds[ch.GroupKind()] == nil || time.Now().After(deadline) {
			return again, seen, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return Change{}, seen, context.Cause(ctx)
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

// recreate deletes an object and creates it again once it is gone.
func (c *Cluster) recreate(ctx context.Context, ch Change) error {
	if err := c.remove(ctx, ch.Live); err != nil {
		return err
	}
	uid := ch.Live.GetUID()
	err := c.until(ctx, ch.ID, func() (bool, error) {
		live, ok := c.Live.Get(ch.ID)
		return !ok || live.GetUID() != uid, nil
	})
	if err != nil {
		return fmt.Errorf("wait until %s is gone: %w", ch.ID, err)
	}
	ch.Live, ch.judged = nil, nil
	return c.write(ctx, ch)
}

// established waits until the API server serves the CRDs that were written, and
// has it asked anew what it can do.
func (c *Cluster) established(ctx context.Context, changes []Change) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("the API server did not establish it within a minute"))
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
	events, end := c.Live.subscribe([]manifest.ID{id})
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

// Prune deletes what a plan no longer wants, dependents first, and returns when
// it is gone: an object that a finalizer holds is an error that says so. progress
// is called with each object that is waited for.
func (c *Cluster) Prune(ctx context.Context, plan Plan, progress func([]Health)) error {
	doomed := plan.doomed()
	for _, ch := range doomed {
		if err := c.remove(ctx, ch.Live); err != nil {
			return err
		}
	}
	for _, ch := range doomed {
		if err := c.awaitGone(ctx, ch, progress); err != nil {
			return err
		}
	}
	return nil
}

// doomed lists what a plan deletes, dependents first. A ClusterRole that gathers the
// rules of others goes before them: while they go, its controller writes it anew, and
// that would bring it back.
func (p Plan) doomed() []Change {
	doomed := p.with(Delete)
	slices.Reverse(doomed)
	slices.SortStableFunc(doomed, func(a, b Change) int {
		if a.Stage != b.Stage || gathers(a) == gathers(b) {
			return int(b.Stage) - int(a.Stage)
		}
		if gathers(a) {
			return -1
		}
		return 1
	})
	return doomed
}

func gathers(c Change) bool {
	_, found, _ := unstructured.NestedFieldNoCopy(c.Live.Object, "aggregationRule")
	return found && c.Kind == "ClusterRole"
}

// errBlocked says that a deletion takes its time: nothing is wrong with what was
// deployed, and it is waited for again.
var errBlocked = errors.New("it is still there")

func (c *Cluster) awaitGone(ctx context.Context, ch Change, progress func([]Health)) error {
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
