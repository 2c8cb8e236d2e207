package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// prepare renders and surveys what has to be: the releases that are to change,
// and those that may have drifted. It writes nothing. When the commit is refused, or what
// it changes can't be surveyed now, the cluster is held to what it has. reading bounds the
// rendering.
func (e *environment) prepare(ctx, reading context.Context, s *seen) error {
	asked := e.askedOf(s.load)
	s.refusals = e.retries.refusal.known(asked, e.agent.opts.Now())
	if s.refusals == nil {
		refusals, err := e.preflight(ctx, reading, s.load, s.jobs)
		switch {
		case err != nil && apierror.Transient(err) && ctx.Err() == nil && reading.Err() == nil:
			s.trouble = e.cluster.WithHolders(ctx, err)
		case err != nil:
			return err
		default:
			s.refusals = refusals
			e.retries.refusal.note(asked, refusals, e.agent.opts.Now())
		}
	}
	why := refusedText
	if s.trouble != nil {
		why = s.trouble.Error()
	}
	stay := len(s.refusals) > 0 || s.trouble != nil
	if stay {
		for _, j := range s.jobs {
			if j.changes() {
				j.keep(why)
			}
		}
	}
	kept := slices.DeleteFunc(slices.Clone(s.jobs), func(j *job) bool {
		return j.changes() && !stay // surveyed by the preflight
	})
	for _, err := range together(kept, func(j *job) error { return e.keep(ctx, s.load, j) }) {
		if err != nil {
			return err
		}
	}
	return e.holdDeletions(ctx, s.load, s.jobs)
}

// preflight renders and dry-runs all that the commit changes.
func (e *environment) preflight(ctx, reading context.Context, l *loaded, jobs []*job) ([]string, error) {
	refusals := []string{}
	if l.err != nil {
		refusals = append(refusals, l.err.Error())
	}
	changing := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return !j.changes() })
	if why := overloaded(live.Held(e.cluster.Live), changing); why != "" {
		return append(refusals, why), nil
	}
	wrong, err := e.describeAll(reading, rounds(jobs))
	if err != nil {
		return nil, err
	}
	refusals = append(refusals, wrong...)
	if refusals = append(refusals, e.duplicates(jobs)...); len(refusals) > 0 {
		return refusals, nil
	}
	coming := e.coming(ctx, l, jobs)
	if slices.ContainsFunc(changing, func(j *job) bool { return j.decision.Act == decide.Install }) {
		if err := e.cluster.FindAbsent(ctx, &coming); err != nil {
			return nil, err
		}
	}
	var records recordable
	survey := func(j *job) error {
		defer j.slim()
		if err := e.surveyAll(ctx, j, coming); err != nil {
			return err
		}
		return records.check(ctx, e, l, j)
	}
	for i, err := range together(changing, survey) {
		j := changing[i]
		wrong := j.refusals()
		switch {
		case err != nil && apierror.Transient(err):
			return nil, err
		case err != nil:
			wrong = append(wrong, err.Error())
		}
		if len(wrong) > 0 && j.automatic() {
			j.bar(strings.Join(wrong, "; ")) // what runs is broken: the commit is not one that changed nothing
			continue
		}
		refusals = append(refusals, wrong...)
	}
	if len(refusals) > 0 {
		return refusals, nil
	}
	return e.overdrawn(ctx, changing)
}

// automatic reports whether the job goes back after a failure, and not because git asks
// for it.
func (j *job) automatic() bool { return j.decision.Behind && j.goesBack() }

// bar has a job that can't go back stay as it is.
func (j *job) bar(why string) {
	j.state.Barred = why
	j.release = nil
	j.decide()
}

// maxHeld bounds what is held of the objects of one environment: the bounds of a commit say
// nothing of what a hundred of them bring, one after the other.
const maxHeld = 128 << 20

// overloaded says why no more may be brought to an environment of whose objects so many bytes
// are held; empty if more may. What is there may be removed, or go back.
func overloaded(held int, changing []*job) string {
	brings := func(j *job) bool { return j.decision.Act == decide.Install || j.decision.Act == decide.Upgrade }
	if held <= maxHeld || !slices.ContainsFunc(changing, brings) {
		return ""
	}
	return fmt.Sprintf("the environment's objects take more than %d MiB of memory: remove some first, in a commit of their own, or split the environment", maxHeld>>20)
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
			var forbidden render.Problems
			switch {
			case errors.As(err, &problem):
				wrong = append(wrong, err.Error())
			case errors.As(err, &forbidden):
				wrong = append(wrong, strings.Split(err.Error(), "\n")...)
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
	slots := make(chan struct{}, kube.DefaultConcurrency)
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
		err = e.survey(ctx, j, e.coming(ctx, l, []*job{j})) // somebody may have deleted a CRD with all that is of its kind
	}
	if err != nil && ctx.Err() != nil {
		return err
	}
	if j.err = j.veil().Hide(e.cluster.WithHolders(ctx, err)); err != nil {
		j.decision = decide.Decision{Act: decide.None}
		return nil
	}
	if refused := j.refusals(); j.changes() && len(refused) > 0 {
		j.decision = decide.Decision{Act: decide.Hold, Behind: true, Reason: strings.Join(refused, "; ")}
	}
	return nil
}

// surveyAll is survey, and judges the hooks that the job's rollout will run.
func (e *environment) surveyAll(ctx context.Context, j *job, coming plan.Coming) error {
	if err := e.survey(ctx, j, coming); err != nil || j.release == nil || !j.changes() {
		return err
	}
	if !j.decision.Behind { // what is taken back after a failure is, whatever stays behind
		plan, err := e.cluster.TryDeletions(ctx, j.plan)
		if err != nil {
			return fmt.Errorf("release %s: %w", j.spec.Name, err)
		}
		j.plan = plan
	}
	refused, err := e.cluster.SurveyHooks(ctx, j.owner, j.release.Hooks, j.hookEvents(), coming)
	if err != nil {
		return fmt.Errorf("release %s: %w", j.spec.Name, err)
	}
	j.plan.Changes = append(j.plan.Changes, refused...)
	return nil
}

// survey plans a job, and decides anew if it turns out to have drifted.
func (e *environment) survey(ctx context.Context, j *job, coming plan.Coming) error {
	if j.release == nil {
		return nil
	}
	e.inbox.clean(j.ids)
	if err := e.replan(ctx, j, coming); err != nil {
		e.baselines.hold(j.key, nil)
		return fmt.Errorf("release %s: %w", j.spec.Name, err)
	}
	if j.changes() {
		return nil
	}
	j.plan = j.plan.LeaveEnded()
	found := &held{revision: j.state.History.Settled().Revision, ids: j.own(j.ids), lasting: j.own(j.lasting), ceded: j.plan.Ceded(), drift: driftOf(j), foreign: foreignOf(j), by: termsOf(j.owner)}
	for _, list := range [][]ledger.Drift{found.drift, found.foreign} {
		for i := range list {
			j.veil().MaskDrift(&list[i].Want, &list[i].Have)
		}
	}
	e.bulletin.note(j, e.baselines.heldOf(j.key), found)
	e.baselines.hold(j.key, found)
	j.found = found
	j.plan = e.fights.leave(j.plan, e.agent.opts.Now())
	j.state.Drifted = j.plan.Pending() || len(j.plan.Refusals()) > 0
	j.decide()
	return nil
}

// replan compares what a job wants with what the release may have and what is live.
func (e *environment) replan(ctx context.Context, j *job, coming plan.Coming) error {
	past, hooks, err := e.inventory(ctx, j)
	if err != nil {
		return err
	}
	j.had = len(past)
	outgoing, err := outgoing(ctx, e, j, hooks, coming)
	if err != nil {
		return err
	}
	coming = coming.Guarded(j.want...).Guarded(past...)
	want, err := e.cluster.Yield(ctx, j.owner, j.want, past)
	if err != nil {
		return err
	}
	seen, err := e.cluster.Survey(ctx, want, past, coming)
	if err != nil {
		return err
	}
	j.plan = plan.NewPlan(j.owner, want, past, seen, coming).With(outgoing...)
	return nil
}

func idsOf(objects []manifest.Object) []manifest.ID {
	ids := make([]manifest.ID, len(objects))
	for i, o := range objects {
		ids[i] = o.ID()
	}
	return ids
}

// coming is what the whole commit brings about.
func (e *environment) coming(ctx context.Context, l *loaded, jobs []*job) plan.Coming {
	var all []manifest.Object
	for _, j := range jobs {
		all = append(all, j.want...)
		if j.release != nil {
			all = append(all, plan.BroughtBefore(j.release.Hooks)...)
		}
	}
	c := plan.Comes(all, l.spaces...)
	c.Confirmed = e.inbox.controlNow().Confirmed == l.commit
	c.Moves = e.moves(ctx, jobs)
	return c
}

// moves says which objects the commit takes from one release to another.
func (e *environment) moves(ctx context.Context, jobs []*job) plan.Moves {
	m := plan.Moves{Owners: map[manifest.ID]string{}, Changing: map[string]bool{}, Gone: e.isGone, Lists: listing(ctx, e), Holder: e.baselines.holder}
	for _, j := range jobs {
		if !j.changes() {
			continue
		}
		m.Changing[j.key.String()] = true
		for _, id := range j.ids {
			m.Owners[id] = j.key.String()
		}
	}
	takenByHooks(m, jobs)
	return m
}

// isGone reports whether a release, "namespace/name", is not in the cluster any more, as
// far as the records of its namespace are known.
func (e *environment) isGone(release string) bool {
	namespace, name, _ := strings.Cut(release, "/")
	return e.histories.known(namespace) && len(e.histories.history(releaseKey{namespace, name}).Intended()) == 0
}

// listing returns what reports whether a release, "namespace/name", lists an object by what its
// records intend. One whose records can't be read may list anything.
func listing(ctx context.Context, e *environment) func(string, manifest.ID) bool {
	return func(release string, id manifest.ID) bool {
		namespace, name, _ := strings.Cut(release, "/")
		if key := (releaseKey{namespace, name}); !e.histories.known(namespace) || e.rollouts.rollsOut(key) {
			return true // what it lists is being written
		}
		for _, r := range e.histories.history(releaseKey{namespace, name}).Intended() {
			rel, err := e.manifestOf(ctx, r, e.cluster.Namespaced)
			if err != nil || idSet(rel.Objects)[id] || hookIDs(rel.Hooks)[id] {
				return true
			}
		}
		return false
	}
}

// duplicates finds objects that two releases would both own.
func (e *environment) duplicates(jobs []*job) []string {
	owner := map[manifest.ID]string{}
	var out []string
	for _, j := range jobs {
		ids := j.ids
		if h := e.baselines.heldOf(j.key); j.release == nil && h != nil {
			ids = h.ids
		}
		for _, id := range ids {
			if other, taken := owner[id]; taken && plan.StageOf(id.GroupKind()) != plan.StageDefinitions {
				out = append(out, fmt.Sprintf("%s of release %s is also in release %s: take it out of one", id, j.spec.Name, other))
			}
			owner[id] = j.spec.Name
		}
	}
	return out
}

// takenByHooks enters into moves what a hook of one release alone makes from now on.
func takenByHooks(m plan.Moves, jobs []*job) {
	takers := map[manifest.ID][]string{}
	for _, j := range jobs {
		if j.changes() && j.release != nil {
			for id := range hookIDs(j.release.Hooks) {
				takers[id] = append(takers[id], j.key.String())
			}
		}
	}
	for id, by := range takers {
		if m.Owners[id] == "" && len(by) == 1 {
			m.Owners[id] = by[0]
		}
	}
}
