package execute

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// applyDeferred plans an object anew, now that what it waited for is there.
func (x *Executor) applyDeferred(ctx context.Context, w *waiting, rel plan.Owner, ch plan.Change, provisions plan.Provisions) error {
	if ch.Valid && x.createValid(ctx, ch, provisions) == nil {
		return nil
	}
	again, observations, err := x.replan(ctx, w, rel, ch, provisions)
	if err != nil {
		return err
	}
	if err := x.live.Watch(ctx, []*unstructured.Unstructured{ch.Object}); err != nil {
		return err
	}
	switch again.Action {
	case plan.Refused:
		return &RefusedError{ID: ch.ID, Why: again.Why, err: observations.Err}
	case plan.Unchanged:
		return nil
	case plan.Deferred:
		return fmt.Errorf("apply %s: %s: %w", ch.ID, again.Why, errPrerequisite)
	case plan.Recreate:
		return x.recreate(ctx, w, again, provisions)
	default:
		return x.writeAgain(ctx, rel, again)
	}
}

// createValid writes an object that only waited for its namespace, if nothing of
// its name is there: its content needs no second dry-run.
func (x *Executor) createValid(ctx context.Context, ch plan.Change, provisions plan.Provisions) error {
	there, err := x.surveyor.Exists(ctx, ch.Object, provisions)
	if err != nil {
		return err
	}
	if there {
		return fmt.Errorf("%s exists", ch.ID)
	}
	if err := x.live.Watch(ctx, []*unstructured.Unstructured{ch.Object}); err != nil {
		return err
	}
	ch.Live, ch.DryRun = nil, ch.Object
	return x.write(ctx, plan.Owner{}, ch)
}

// The API server takes a moment until it serves what a CRD defines, or counts what a
// quota has been raised to, and says nowhere when it does: an object that waits for that
// is asked about until then.
const (
	definitionGrace = 10 * time.Second
	definitionPause = 50 * time.Millisecond
	maxDelay        = time.Second // between two questions
)

// replan surveys an object until nothing keeps it from being judged, or that takes
// longer than it should. What a program brings takes as long as the rollout may.
func (x *Executor) replan(ctx context.Context, w *waiting, rel plan.Owner, ch plan.Change, provisions plan.Provisions) (plan.Change, plan.Observation, error) {
	program, brought := provisions.ProgramOf(ch.Object.GroupVersionKind())
	deadline := time.Now().Add(definitionGrace)
	for pause := definitionPause; ; pause = min(2*pause, maxDelay) {
		observations, err := x.surveyor.One(ctx, ch.Object, provisions)
		if err != nil {
			return plan.Change{}, observations, err
		}
		again := plan.ChangeOf(rel, manifest.Object{Unstructured: ch.Object}, observations, provisions)
		comes := again.Action == plan.Deferred || again.Action == plan.Refused && len(provisions.Kinds[ch.GroupKind()]) > 0
		patient := brought && again.Action == plan.Deferred
		if !comes || !patient && time.Now().After(deadline) {
			return again, observations, nil
		}
		reason := again.Why
		if patient {
			reason = fmt.Sprintf("%s has not brought its kind yet", program)
			w.report(ch.ID, reason)
		}
		if err := w.sleep(pause); err != nil {
			return plan.Change{}, observations, w.timeoutError(err, ch.ID, reason)
		}
		x.rediscover()
	}
}
