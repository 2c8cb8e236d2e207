package execute

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/ssa"
	"github.com/xetys/tether/apply/survey"
	"github.com/xetys/tether/apply/wait"
	"github.com/xetys/tether/render/manifest"
)

// HookRun is one run of a release's hooks of one event.
type HookRun struct {
	Event  string
	Bounds wait.Bounds // of the whole run
	// Revision is the release's; zero for a run of none. A Job or Pod that an earlier
	// run of the same revision started is waited for, not started again.
	Revision int
	// Request tells runs of one revision apart that were asked for one after the other.
	Request string
	// Provisions is what comes with the commit: what a release that goes leaves may be replaced.
	Provisions plan.Provisions
	// Skip is how many hooks of the event have succeeded already, before an
	// interruption; they don't run again.
	Skip int
	// Ran is told of each hook that has ended, with its place among the event's,
	// counted from one, and its error.
	Ran func(n int, h manifest.Hook, started time.Time, err error) error
	// Progress is as in wait.Waiter.ForHealthy.
	Progress func([]judge.Health)
}

// Hooks runs the hooks of releases in one cluster. It is safe for concurrent use.
type Hooks struct {
	writer
	waiter *wait.Waiter
}

// NewHooks returns a Hooks.
func NewHooks(client *kube.Client, cache *live.Cache, j *judge.Judge, applier *ssa.Applier, surveyor *survey.Surveyor, waiter *wait.Waiter) *Hooks {
	return &Hooks{writer{client: client, live: cache, judge: j, applier: applier, surveyor: surveyor}, waiter}
}

// Run runs a release's hooks of one event as Helm does: by weight and name, one after the
// other, each until it has ended. The first hook that fails, or has not ended at the deadline,
// ends the run with an error. A Job or Pod with the hook's name that is already there is always
// deleted first, whatever the hook's policy, since neither can be run twice. An object that
// does not belong to the release is neither deleted nor changed. A transient error ends the
// run, and is not a failure of the hook.
func (x *Hooks) Run(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, run HookRun) error {
	due := plan.HooksOf(hooks, run.Event)
	for i, h := range due {
		if i < run.Skip {
			continue
		}
		started := time.Now()
		err := x.runHook(ctx, rel, h, run)
		if err != nil {
			err = fmt.Errorf("%s hook %s: %w", run.Event, h.ID(), err)
		}
		if err != nil && (ctx.Err() != nil || apierror.Transient(err)) {
			return err
		}
		if run.Ran != nil {
			if rerr := run.Ran(i+1, h, started, err); rerr != nil && err == nil {
				return rerr
			}
		}
		if err != nil {
			return x.clearFailed(ctx, rel, due[:i], h, run, err)
		}
	}
	return x.clearHooks(ctx, rel, due, run, plan.HookSucceeded)
}

// clearFailed deletes what the policies of a hook that failed, and of those that
// succeeded before it, don't keep.
func (x *Hooks) clearFailed(ctx context.Context, rel plan.Owner, before []manifest.Hook, failed manifest.Hook, run HookRun, err error) error {
	for _, derr := range []error{x.clearHooks(ctx, rel, []manifest.Hook{failed}, run, plan.HookFailed), x.clearHooks(ctx, rel, before, run, plan.HookSucceeded)} {
		if derr != nil {
			err = fmt.Errorf("%w (and %w)", err, derr)
		}
	}
	return err
}

func (x *Hooks) clearHooks(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, run HookRun, policy string) error {
	for _, h := range slices.Backward(hooks) {
		if !slices.Contains(h.DeletePolicies, policy) {
			continue
		}
		live, err := x.client.Read(ctx, h.Unstructured)
		if err == nil && live != nil && rel.OwnsHook(h, live) {
			err = x.deleteHook(ctx, h, live, run)
		}
		if err != nil {
			return fmt.Errorf("delete hook %s: %w", h.ID(), err)
		}
	}
	return nil
}

// The annotations that say which run an object is of: of which revision, and of which
// event of it.
const (
	annotRevision = ownership.Group + "/revision"
	annotHookRun  = ownership.Group + "/hook-run"
)

// mark returns the object of a hook as it is applied.
func (r HookRun) mark(rel plan.Owner, h manifest.Hook) *unstructured.Unstructured {
	u := rel.Mark([]manifest.Object{h.Object})[0].Unstructured
	if r.Revision > 0 {
		meta := manifest.AsMap(u.Object["metadata"]) // the marked object's own
		meta["annotations"] = manifest.With(manifest.AsMap(meta["annotations"]), map[string]any{annotRevision: strconv.Itoa(r.Revision), annotHookRun: r.name()})
	}
	return u
}

func (r HookRun) name() string { return strings.TrimSpace(r.Event + " " + r.Request) }

// started reports whether a live object was started by an earlier part of this run.
func (r HookRun) started(live *unstructured.Unstructured) bool {
	a := live.GetAnnotations()
	return r.Revision > 0 && a[annotRevision] == strconv.Itoa(r.Revision) && a[annotHookRun] == r.name() &&
		ownership.AppliedByUs(live) && live.GetDeletionTimestamp() == nil
}

func (x *Hooks) runHook(ctx context.Context, rel plan.Owner, h manifest.Hook, run HookRun) error {
	if why := rel.OutsideRealm(h.Object); why != "" { // of a record: what is rendered is refused before
		return &RefusedError{ID: h.ID(), Why: why}
	}
	u := run.mark(rel, h)
	if err := x.live.Watch(ctx, []*unstructured.Unstructured{u}); err != nil {
		return err
	}
	live, err := x.client.Read(ctx, u)
	if err != nil {
		return err
	}
	if live != nil && !rel.OwnsHook(h, live) && !run.Provisions.TransfersHook(rel, live) {
		return &RefusedError{ID: h.ID(), Why: rel.HookCollision(live)}
	}
	if live != nil && h.ID().RunsToEnd() && run.started(live) {
		return x.awaitEnd(ctx, h, run)
	}
	if live != nil && plan.GoesFirst(h) {
		if err := x.deleteHook(ctx, h, live, run); err != nil {
			return err
		}
	}
	if err := x.writeAgain(ctx, plan.Owner{}, plan.Change{ID: h.ID(), Object: u}); err != nil {
		return err
	}
	if !h.ID().RunsToEnd() {
		return nil
	}
	return x.awaitEnd(ctx, h, run)
}

// awaitEnd waits until a hook has ended.
func (x *Hooks) awaitEnd(ctx context.Context, h manifest.Hook, run HookRun) error {
	return x.waiter.ForFinished(ctx, []manifest.ID{h.ID()}, run.Bounds, run.Progress)
}

// deleteHook deletes a hook's object and waits until it is gone, as long as the run may.
func (x *Hooks) deleteHook(ctx context.Context, h manifest.Hook, live *unstructured.Unstructured, run HookRun) error {
	if plan.HoldsOthers(h) {
		return nil
	}
	if live.GetDeletionTimestamp() == nil {
		if err := apierror.Retry(ctx, func() error { return x.remove(ctx, live) }); err != nil {
			return err
		}
	}
	within, cancel := context.WithDeadline(ctx, run.Bounds.End(time.Now()))
	defer cancel()
	err := x.awaitGone(within, plan.Change{ID: h.ID(), Live: live}, run.Progress)
	if errors.Is(err, errBlocked) && ctx.Err() == nil {
		reason := "it is being deleted"
		if f := live.GetFinalizers(); len(f) > 0 {
			reason += fmt.Sprintf(", and finalizers %v hold it", f)
		}
		return &wait.UnhealthyError{Objects: []judge.Health{{ID: h.ID(), State: health.Progressing, Reason: reason}}, TimedOut: true, Timeout: run.Bounds.Timeout}
	}
	return err
}
