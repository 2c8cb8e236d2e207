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
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render"
)

// preflight renders and dry-runs all that the commit changes.
func (a *Assessor) preflight(ctx, reading context.Context, l *Commit, jobs []*Release) ([]string, error) {
	refusals := []string{}
	if l.Err != nil {
		refusals = append(refusals, l.Err.Error())
	}
	changing := slices.DeleteFunc(slices.Clone(jobs), func(j *Release) bool { return !j.Changes() })
	wrong, err := a.describeAll(reading, rounds(jobs))
	if err != nil {
		return nil, err
	}
	refusals = append(refusals, wrong...)
	if refusals = append(refusals, a.duplicates(jobs)...); len(refusals) > 0 {
		return refusals, nil
	}
	coming := a.coming(ctx, l, jobs)
	if slices.ContainsFunc(changing, func(j *Release) bool { return j.Decision.Act == decide.Install }) {
		if err := a.Cluster.FindAbsent(ctx, &coming); err != nil {
			return nil, err
		}
	}
	var records recordable
	survey := func(j *Release) error {
		defer j.slim()
		if err := a.SurveyRollout(ctx, j, coming); err != nil {
			return err
		}
		return records.check(ctx, a, l, j)
	}
	for i, err := range together(changing, survey) {
		j := changing[i]
		wrong := j.refusals()
		switch {
		case err != nil && apply.Transient(err):
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
func together(jobs []*Release, do func(*Release) error) []error {
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
