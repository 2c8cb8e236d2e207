package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// prepare renders and surveys what has to be: the releases that are to change,
// and those that may have drifted. It writes nothing, and returns what is refused;
// the cluster is then held to what it has. reading bounds the rendering.
func (e *environment) prepare(ctx, reading context.Context, l *loaded, jobs []*job) ([]string, error) {
	asked := e.askedOf(l)
	refusals := e.refusal.known(asked, e.agent.opts.Now())
	if refusals == nil {
		var err error
		if refusals, err = e.preflight(ctx, reading, l, jobs); err != nil {
			return nil, err
		}
		e.refusal.note(asked, refusals, e.agent.opts.Now())
	}
	if len(refusals) > 0 {
		for _, j := range jobs {
			if j.changes() {
				j.keep(refusedText)
			}
		}
	}
	kept := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool {
		return j.changes() && len(refusals) == 0 // surveyed by the preflight
	})
	for _, err := range together(kept, func(j *job) error { return e.keep(ctx, l, j) }) {
		if err != nil {
			return nil, err
		}
	}
	return refusals, e.holdDeletions(ctx, l, jobs)
}

// preflight renders and dry-runs all that the commit changes.
func (e *environment) preflight(ctx, reading context.Context, l *loaded, jobs []*job) ([]string, error) {
	refusals := []string{}
	if l.err != nil {
		refusals = append(refusals, l.err.Error())
	}
	changing := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return !j.changes() })
	wrong, err := e.describeAll(reading, rounds(jobs))
	if err != nil {
		return nil, err
	}
	refusals = append(refusals, wrong...)
	if refusals = append(refusals, e.duplicates(jobs)...); len(refusals) > 0 {
		return refusals, nil
	}
	coming := e.coming(l, jobs)
	if slices.ContainsFunc(changing, func(j *job) bool { return j.decision.Act == Install }) {
		if err := e.cluster.FindAbsent(ctx, &coming); err != nil {
			return nil, err
		}
	}
	survey := func(j *job) error {
		defer j.slim()
		return e.survey(ctx, j, coming)
	}
	for i, err := range together(changing, survey) {
		switch {
		case err != nil && apply.Transient(err):
			return nil, err
		case err != nil:
			refusals = append(refusals, err.Error())
		}
		refusals = append(refusals, changing[i].refusals()...)
	}
	return refusals, nil
}

// maxRendered bounds what one commit changes, as text: the objects take many times
// as much memory until they are applied.
const maxRendered = 64 << 20

// describeAll describes the jobs, one round after the other, and returns what is wrong
// with them. The first one that takes too much ends it: each other one might take as
// long.
func (e *environment) describeAll(ctx context.Context, rounds [][]*job) ([]string, error) {
	trying, enough := context.WithCancel(ctx)
	defer enough()
	var size atomic.Int64
	describe := func(j *job) error {
		err := e.describe(trying, j)
		if err == nil && j.release != nil {
			size.Add(int64(len(j.release.Manifest)))
		}
		if render.Exceeds(err) || size.Load() > maxRendered {
			enough()
		}
		return err
	}
	var wrong []string
	for _, round := range rounds {
		for _, err := range together(round, describe) {
			var problem *render.RenderError
			switch {
			case errors.As(err, &problem):
				wrong = append(wrong, err.Error())
			case err != nil && trying.Err() != nil && ctx.Err() == nil:
				// given up for the sake of another
			case err != nil:
				return nil, err
			}
		}
	}
	if size.Load() > maxRendered {
		wrong = append(wrong, fmt.Sprintf("what the commit changes renders to more than %d MiB: bring it in several commits, or split the environment", maxRendered>>20))
	}
	return wrong, nil
}

// together does something about several jobs at once and returns each one's
// error. The requests that it takes are paced by the cluster's own slots.
func together(jobs []*job, do func(*job) error) []error {
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	slots := make(chan struct{}, apply.DefaultConcurrency)
	for i, j := range jobs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(j)
		})
	}
	wg.Wait()
	return errs
}

// keep looks whether a release that stays as it is has drifted, if there is
// reason to. Trouble with it is its own, and keeps nothing else from being done.
func (e *environment) keep(ctx context.Context, l *loaded, j *job) error {
	if j.waits != nil {
		j.err = j.waits
		return nil
	}
	err := e.describe(ctx, j)
	if err == nil && j.release != nil {
		err = e.survey(ctx, j, e.coming(l, []*job{j})) // somebody may have deleted a CRD with all that is of its kind
	}
	if err != nil && (apply.Transient(err) && !apply.WebhookDown(err) || ctx.Err() != nil) {
		return err
	}
	if j.err = j.secrets.Hide(err); err != nil {
		j.decision = Decision{Act: None}
		return nil
	}
	if refused := j.refusals(); j.changes() && len(refused) > 0 {
		j.decision = Decision{Act: Hold, Behind: true, Reason: strings.Join(refused, "; ")}
	}
	return nil
}

// survey plans a job, and decides anew if it turns out to have drifted.
func (e *environment) survey(ctx context.Context, j *job, coming apply.Coming) error {
	if j.release == nil {
		return nil
	}
	e.clean(j.ids)
	if err := e.replan(ctx, j, coming); err != nil {
		e.hold(j.key, nil)
		return fmt.Errorf("release %s: %w", j.spec.Name, err)
	}
	if j.changes() {
		return nil
	}
	j.plan = j.plan.LeaveEnded()
	found := &held{revision: j.state.History.Current().Revision, ids: j.ids, lasting: j.lasting, drift: driftOf(j), foreign: foreignOf(j)}
	for _, list := range [][]ObjectDrift{found.drift, found.foreign} {
		for i := range list {
			j.secrets.MaskBoth(&list[i].Want, &list[i].Have)
		}
	}
	e.note(j, e.heldOf(j.key), found)
	e.hold(j.key, found)
	j.found = found
	j.plan = e.leaveFights(j.plan)
	j.state.Drifted = j.plan.Pending() || len(j.plan.Refusals()) > 0
	j.decide()
	return nil
}

// replan compares what a job wants with what the release may have and what is live.
func (e *environment) replan(ctx context.Context, j *job, coming apply.Coming) error {
	past, err := e.inventory(ctx, j)
	if err != nil {
		return err
	}
	j.had = len(past)
	coming = coming.Guarded(j.want...).Guarded(past...)
	want, err := e.cluster.Yield(ctx, j.owner, j.want, past)
	if err != nil {
		return err
	}
	seen, err := e.cluster.Survey(ctx, want, past, coming)
	if err != nil {
		return err
	}
	j.plan = apply.NewPlan(j.owner, want, past, seen, coming)
	return nil
}

// clean takes note that objects are being looked at: what is touched from now on
// is looked at again.
func (e *environment) clean(ids []manifest.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range ids {
		delete(e.dirty, id)
	}
}

func idsOf(objects []manifest.Object) []manifest.ID {
	ids := make([]manifest.ID, len(objects))
	for i, o := range objects {
		ids[i] = o.ID()
	}
	return ids
}

// coming is what the whole commit brings about.
func (e *environment) coming(l *loaded, jobs []*job) apply.Coming {
	var all []manifest.Object
	for _, j := range jobs {
		all = append(all, j.want...)
	}
	c := apply.Comes(all, l.spaces...)
	c.Confirmed = e.controlNow().Confirmed == l.commit
	return c
}

const agentsOwn = "the agent's own"

// duplicates finds objects that two releases would both own, or that are the agent's.
func (e *environment) duplicates(jobs []*job) []string {
	owner := map[manifest.ID]string{}
	for _, name := range e.agent.opts.Environments { // what people are told of, and ask by
		for _, own := range []string{LedgerName(name), controlOf(name, "").Name} {
			owner[manifest.ID{Kind: "ConfigMap", Namespace: e.agent.opts.Namespace, Name: own}] = agentsOwn
		}
	}
	var out []string
	for _, j := range jobs {
		ids := j.ids
		if h := e.heldOf(j.key); j.release == nil && h != nil {
			ids = h.ids
		}
		for _, id := range ids {
			if other, taken := owner[id]; taken && apply.StageOf(id.GroupKind()) != apply.StageDefinitions {
				if other != agentsOwn {
					other = "in release " + other
				}
				out = append(out, fmt.Sprintf("%s of release %s is also %s: take it out of one", id, j.spec.Name, other))
			}
			owner[id] = j.spec.Name
		}
		if j.release == nil {
			continue
		}
		for _, h := range j.release.Hooks {
			if owner[h.ID()] == agentsOwn {
				out = append(out, fmt.Sprintf("%s, a hook of release %s, is %s: take it out", h.ID(), j.spec.Name, agentsOwn))
			}
		}
	}
	return out
}

// foreignOf lists what people's tools added to a release's objects and may stay.
func foreignOf(j *job) []ObjectDrift {
	var out []ObjectDrift
	for _, c := range j.plan.Changes {
		for _, f := range c.Foreign {
			if d := objectDrift(c.ID.String(), f); !j.owner.Strict {
				d.Foreign = true
				out = append(out, d)
			}
		}
	}
	return out
}

func driftOf(j *job) []ObjectDrift {
	var out []ObjectDrift
	for _, c := range j.plan.Refusals() {
		out = append(out, ObjectDrift{Object: c.ID.String(), Want: "(as applied)", Have: "(refused: " + c.Why + ")"})
	}
	for _, c := range j.plan.Drifted() {
		if c.Live == nil {
			out = append(out, ObjectDrift{Object: c.ID.String(), Want: "(present)", Have: "(absent)"})
		}
		for _, f := range j.owner.Differences(c) {
			out = append(out, objectDrift(c.ID.String(), f))
		}
	}
	return out
}
