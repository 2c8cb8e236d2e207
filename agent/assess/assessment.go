// Package assess finds out what there is to do in an environment: it reads a commit's files, the
// releases' records and the cluster, prepares and renders, decides, and surveys what would
// change. The result is an Assessment, with which a preview, a diff and a rollout begin.
//
// It does not know the loop, leaders or rollouts, and writes nothing (dry-runs only).
package assess

import (
	"context"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/apply/apierror"
)

// Assessment is what there is to do about a commit: an immutable value once it is made.
type Assessment struct {
	Commit    *Commit
	Releases  []*Release
	Refusals  []string // what the commit is refused for
	Preflight bool     // they were found just now, not known before
	Trouble   error    // why what changes could not be surveyed; it is tried again
}

// Assess reads the cluster and decides; it writes nothing. What the commit was refused for
// before is known, or nil. reading bounds the rendering, which may take long.
func (a *Assessor) Assess(ctx, reading context.Context, l *Commit, known []string) (*Assessment, error) {
	s := &Assessment{Commit: l, Refusals: known}
	var err error
	if s.Releases, err = a.Releases(ctx, l); err != nil {
		return nil, err
	}
	if err = a.prepare(ctx, reading, s); err == nil {
		err = a.abandonBlocked(ctx, l, s.Releases)
	}
	return s, err
}

// prepare renders and surveys what has to be: the releases that are to change,
// and those that may have drifted. It writes nothing. When the commit is refused, or what
// it changes can't be surveyed now, the cluster is held to what it has. reading bounds the
// rendering.
func (a *Assessor) prepare(ctx, reading context.Context, s *Assessment) error {
	if s.Refusals == nil {
		refusals, err := a.preflight(ctx, reading, s.Commit, s.Releases)
		switch {
		case err != nil && apierror.Transient(err) && ctx.Err() == nil && reading.Err() == nil:
			s.Trouble = a.Cluster.WithHolders(ctx, err)
		case err != nil:
			return err
		default:
			s.Refusals, s.Preflight = refusals, true
		}
	}
	why := refusedText
	if s.Trouble != nil {
		why = s.Trouble.Error()
	}
	stay := len(s.Refusals) > 0 || s.Trouble != nil
	if stay {
		for _, j := range s.Releases {
			if j.Changes() {
				j.KeepCurrent(why)
			}
		}
	}
	kept := slices.DeleteFunc(slices.Clone(s.Releases), func(j *Release) bool {
		return j.Changes() && !stay // surveyed by the preflight
	})
	for _, err := range inParallel(kept, func(j *Release) error { return a.DetectDrift(ctx, s.Commit, j) }) {
		if err != nil {
			return err
		}
	}
	return a.holdDeletions(ctx, s.Commit, s.Releases)
}

// abandonBlocked takes back what was begun and can't be gone on with, since a
// release that it depends on is held.
func (a *Assessor) abandonBlocked(ctx context.Context, l *Commit, jobs []*Release) error {
	byName := ByKey(jobs)
	blocked := Order(jobs, l.Atomic()).Blocked(func(name string) bool { return byName[name].Fails() })
	for _, j := range jobs {
		by := blocked[j.Key.String()]
		if by == nil || j.Decision.Act != decide.Resume || j.GoesBack() {
			continue
		}
		j.State.Blocked = "blocked by " + strings.Join(ReleaseNames(by), ", ")
		j.Manifest = nil
		j.decide()
		if err := a.DetectDrift(ctx, l, j); err != nil {
			return err
		}
	}
	return nil
}
