// Package execute carries out a plan: it writes objects stage by stage, deletes the others
// last, and runs the hooks.
//
// It does not know whether a release should be deployed or what a failure leads to, and
// keeps no record: it returns errors.
package execute

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/ssa"
	"github.com/xetys/tether/apply/survey"
)

// Executor carries out plans in one cluster. It is safe for concurrent use.
type Executor struct {
	writer
}

// New returns an Executor. Objects that wait for others are surveyed by surveyor.
func New(client *kube.Client, cache *live.Cache, j *judge.Judge, applier *ssa.Applier, surveyor *survey.Surveyor) *Executor {
	return &Executor{writer{client: client, live: cache, judge: j, applier: applier, surveyor: surveyor}}
}

// rediscover has the API server asked anew what it can do, and vanished kinds watched again.
func (x *Executor) rediscover() {
	x.live.RetryAbsentKinds()
	x.client.Refresh()
}

// errPrerequisite says that an object waits for what another release of the same
// commit brings, and has not brought yet.
const errPrerequisite = apierror.Pending("prerequisite does not exist yet")

// Apply writes the objects that a plan creates or changes, stage by stage; Prune does the
// deletions. Objects that were deferred are surveyed when their turn comes. It returns after
// the first stage with an error, which names what could not be written; calling it again is
// safe. ctx is for requests. Waits of unknown length (for a deletion, or for a kind to be
// served) end with waits too: with its cause, or with a wait.UnhealthyError when its deadline
// has passed. progress is called with what is waited for, as in wait.Waiter.ForHealthy.
func (x *Executor) Apply(ctx, waits context.Context, rel plan.Owner, p plan.Plan, progress func([]judge.Health)) error {
	if err := x.pruneWebhooks(ctx, waits, p); err != nil {
		return err
	}
	for stage := range plan.Stages {
		changes := p.Stage(stage)
		if len(changes) == 0 {
			continue
		}
		if err := x.applyStage(ctx, waits, rel, changes, p.Provisions, progress); err != nil {
			return err
		}
		if stage == plan.StageDefinitions {
			if err := x.established(ctx, waits, changes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *Executor) applyStage(ctx, waits context.Context, rel plan.Owner, changes []plan.Change, provisions plan.Provisions, progress func([]judge.Health)) error {
	var wg sync.WaitGroup
	errs := make([]error, len(changes))
	for i, ch := range changes {
		release, err := x.client.Turns.Acquire(ctx)
		if err != nil {
			errs[i] = err
			break
		}
		turn := &turn{queue: x.client.Turns, release: release}
		wg.Go(func() {
			defer turn.end()
			w, done := waitingFor(ctx, waits, turn, progress)
			defer done()
			errs[i] = x.applyOne(ctx, w, rel, ch, provisions)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// applyOne writes a change. What was dry-run alone may meet what came beside it (a quota that the
// commit raises, and that does not count yet): it waits like what the dry-run deferred.
func (x *Executor) applyOne(ctx context.Context, w *waiting, rel plan.Owner, ch plan.Change, provisions plan.Provisions) error {
	if ch.Action == plan.Deferred {
		return x.applyDeferred(ctx, w, rel, ch, provisions)
	}
	err := x.applyPlanned(ctx, w, rel, ch, provisions)
	if provisions.Deferral(ch.Object, err) != "" {
		return x.applyDeferred(ctx, w, rel, ch, provisions)
	}
	return err
}

func (x *Executor) applyPlanned(ctx context.Context, w *waiting, rel plan.Owner, ch plan.Change, provisions plan.Provisions) error {
	switch ch.Action {
	case plan.Recreate:
		return x.recreate(ctx, w, ch, provisions)
	case plan.Update:
		if ch.Differs() {
			if err := x.writeAgain(ctx, rel, ch); err != nil {
				return err
			}
		}
		if rel.Strict && len(ch.Foreign) > 0 {
			return x.strip(ctx, rel, ch)
		}
		return nil
	default:
		return x.writeAgain(ctx, rel, ch)
	}
}

// errGone is returned while waiting for an object that somebody deletes.
var errGone = errors.New("the object was deleted by somebody else")

// established waits until the API server serves the CRDs that were written, and
// has it asked anew what it can do.
func (x *Executor) established(ctx, waits context.Context, changes []plan.Change) error {
	w, done := waitingFor(ctx, waits, nil, nil)
	defer done()
	ctx, cancel := context.WithTimeoutCause(w.Context, time.Minute, errors.New("the API server did not establish it within a minute"))
	defer cancel()
	for _, ch := range changes {
		err := x.until(ctx, ch.ID, func() (bool, error) {
			object, ok := x.live.Get(ch.ID)
			if !ok {
				return false, errGone
			}
			r, err := status.Compute(object)
			return err == nil && r.Status == status.CurrentStatus, nil
		})
		if err != nil {
			return fmt.Errorf("wait for %s: %w", ch.ID, err)
		}
	}
	x.rediscover()
	return nil
}
