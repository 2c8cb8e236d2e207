package assess

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// preflight renders and dry-runs all that the commit changes.
func (a *Assessor) preflight(ctx, reading context.Context, l *Commit, jobs []*Release) ([]string, error) {
	refusals := []string{}
	if l.Err != nil {
		refusals = append(refusals, l.Err.Error())
	}
	changing := slices.DeleteFunc(slices.Clone(jobs), func(j *Release) bool { return !j.Changes() })
	if why := overloaded(live.Size(a.Cluster.Live), changing); why != "" {
		return append(refusals, why), nil
	}
	wrong, err := a.describeAll(reading, dependencyLevels(jobs))
	if err != nil {
		return nil, err
	}
	refusals = append(refusals, wrong...)
	if refusals = append(refusals, a.duplicates(jobs)...); len(refusals) > 0 {
		return refusals, nil
	}
	if wrong, err = a.describeAll(reading, [][]*Release{undescribed(jobs)}); err != nil || len(wrong) > 0 {
		return wrong, err
	}
	changing = slices.DeleteFunc(changing, func(j *Release) bool { return !j.Changes() })
	provisions := a.coming(ctx, l, jobs)
	if slices.ContainsFunc(changing, func(j *Release) bool { return j.Decision.Act == decide.Install }) {
		if err := a.Cluster.Surveyor.FindAbsent(ctx, &provisions); err != nil {
			return nil, err
		}
	}
	var records recordable
	survey := func(j *Release) error {
		defer j.slim()
		if err := a.SurveyRollout(ctx, j, provisions); err != nil {
			return err
		}
		return records.check(ctx, a, l, j)
	}
	for i, err := range inParallel(changing, survey) {
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
	return a.overdrawn(ctx, changing)
}

// undescribed are the releases that were decided on anew, since another one has their objects,
// and go back to what they were.
func undescribed(jobs []*Release) []*Release {
	return slices.DeleteFunc(slices.Clone(jobs), func(j *Release) bool { return !j.Changes() || j.Manifest != nil })
}

// maxHeld bounds what is held of the objects of one environment: the bounds of a commit say
// nothing of what a hundred of them bring, one after the other.
const maxHeld = 128 << 20

// overloaded says why no more may be brought to an environment of whose objects so many bytes
// are held; empty if more may. What is there may be removed, or go back.
func overloaded(held int, changing []*Release) string {
	brings := func(j *Release) bool { return j.Decision.Act == decide.Install || j.Decision.Act == decide.Upgrade }
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
func (a *Assessor) describeAll(ctx context.Context, rounds [][]*Release) ([]string, error) {
	trying, enough := context.WithCancel(ctx)
	defer enough()
	var size atomic.Int64
	describe := func(j *Release) error {
		err := a.Describe(trying, j)
		if err == nil && j.Manifest != nil {
			size.Add(int64(len(j.Manifest.Manifest)))
		}
		if render.ExceedsLimits(err) || size.Load() > maxRendered {
			enough()
		}
		return err
	}
	var wrong []string
	for _, round := range rounds {
		for _, err := range inParallel(round, describe) {
			var problem *render.RenderError
			var forbidden config.Problems
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

// inParallel does something about several jobs at once and returns each one's
// error. The requests that it takes are paced by the cluster's own slots.
func inParallel(jobs []*Release, do func(*Release) error) []error {
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
