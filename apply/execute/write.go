package execute

import (
	"context"
	"errors"
	"fmt"

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
	"github.com/xetys/tether/render/manifest"
)

// writer writes and deletes single objects, and tells the live cache of it.
type writer struct {
	client   *kube.Client
	live     *live.Cache
	judge    *judge.Judge
	applier  *ssa.Applier
	surveyor *survey.Surveyor
}

// write applies one object by server-side apply and remembers how it was left.
func (w *writer) write(ctx context.Context, rel plan.Owner, ch plan.Change) error {
	if ch.Adopt {
		if err := w.applier.Inherit(ctx, ch.Live); err != nil {
			return err
		}
	}
	object, version, err := w.surveyor.Current(ctx, rel, ch.Object)
	if err != nil {
		return err
	}
	ch.Object = object
	answer, err := w.applier.Apply(ctx, at(object, version))
	if err != nil {
		return fmt.Errorf("apply %s: %w", ch.ID, err)
	}
	if want := ch.Object.GetLabels()[ownership.LabelEnvironment]; answer.GetLabels()[ownership.LabelEnvironment] != want {
		return fmt.Errorf("apply %s: the API server took away its label %s=%s, by which it is watched: exempt the label from what mutates such objects",
			ch.ID, ownership.LabelEnvironment, want)
	}
	if answer, err = w.applier.Disown(ctx, answer); err != nil {
		return err
	}
	w.wrote(ch, answer)
	return nil
}

// writeAgain is write, repeated when there is trouble on the way.
func (w *writer) writeAgain(ctx context.Context, rel plan.Owner, ch plan.Change) error {
	return apierror.Retry(ctx, func() error { return w.write(ctx, rel, ch) })
}

// at returns an object that the API server takes only while the live one has a version;
// the same if it does not matter.
func at(u *unstructured.Unstructured, version string) *unstructured.Unstructured {
	if version == "" {
		return u
	}
	out := u.DeepCopy()
	out.SetResourceVersion(version)
	return out
}

// wrote remembers how a write left an object.
func (w *writer) wrote(ch plan.Change, answer *unstructured.Unstructured) {
	w.live.Wrote(answer)
	w.live.Placements.Remember(ch.ID, ch.Object, answer)
}

// strip removes what people's tools added to an object, as it was last left.
func (w *writer) strip(ctx context.Context, rel plan.Owner, ch plan.Change) error {
	object, ok := w.live.Get(ch.ID)
	if !ok {
		return nil
	}
	answer, err := w.applier.Strip(ctx, object, rel.FieldsLeftToOthers(ch.ID, object))
	if err == nil && answer != nil {
		w.wrote(ch, answer)
	}
	return err
}

// remove deletes the very object that was planned to be deleted, in the background of
// what it owns, and nothing that took its name since.
func (w *writer) remove(ctx context.Context, object *unstructured.Unstructured) error {
	if err := w.client.Delete(ctx, object); err != nil {
		return err
	}
	w.live.Placements.Forget(manifest.IDOf(object))
	w.judge.Forget([]manifest.ID{manifest.IDOf(object)})
	return nil
}

// until waits for a condition on the live cache, looking again whenever an event
// arrives.
func (w *writer) until(ctx context.Context, id manifest.ID, holds func() (bool, error)) error {
	events, end := w.live.Subscribe([]manifest.ID{id})
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

// errBlocked says that a deletion takes its time: nothing is wrong with what was
// deployed, and it is waited for again.
const errBlocked = apierror.Pending("object still exists")

// awaitGone waits until a deleted object is gone. One that a finalizer holds beyond the
// deadline of ctx is errBlocked.
func (w *writer) awaitGone(ctx context.Context, ch plan.Change, progress func([]judge.Health)) error {
	err := w.until(ctx, ch.ID, func() (bool, error) {
		object, ok := w.live.Get(ch.ID)
		if !ok || object.GetUID() != ch.Live.GetUID() {
			return true, nil
		}
		if f := object.GetFinalizers(); len(f) > 0 && object.GetDeletionTimestamp() != nil && progress != nil {
			progress([]judge.Health{{ID: ch.ID, State: health.Progressing, Reason: fmt.Sprintf("it is being deleted, and finalizers %v hold it", f)}})
		}
		return false, nil
	})
	if err == nil || ctx.Err() == nil {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errBlocked
	}
	if object, ok := w.live.Get(ch.ID); ok && len(object.GetFinalizers()) > 0 {
		return fmt.Errorf("wait until %s is gone: finalizers %v hold it: %w", ch.ID, object.GetFinalizers(), err)
	}
	return fmt.Errorf("wait until %s is gone: %w", ch.ID, err)
}
