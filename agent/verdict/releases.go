package verdict

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/xetys/tether/agent/deploy"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/report"
	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/judge"
	"github.com/xetys/tether/render/manifest"
)

// Releases enter into the ledger and the metrics what each release is like now.
type Releases struct {
	*Writer
	UnhealthyAfter time.Duration // a turn of health is reported once it has lasted so long

	turns []report.HealthChange // releases whose health turned
	saved time.Time             // when progress was last stored
}

// Describe enters what all releases are like.
func (s *Releases) Describe(ctx context.Context, jobs []*deploy.Job) {
	states := make([]ledger.Release, 0, len(jobs))
	for _, j := range jobs {
		gone := len(j.State.History.Intended()) == 0 && !j.State.Runs
		if j.Prepared == nil && gone || j.State.Taker != "" {
			continue // one that may be there still is not forgotten, also after the ledger was lost
		}
		states = append(states, s.describe(ctx, j))
	}
	s.Ledger.Releases = states
	s.reportHealthChanges()
}

// describe returns what a release is like now, and has the metrics show it.
func (s *Releases) describe(ctx context.Context, j *deploy.Job) ledger.Release {
	current, runs := j.State.History.Current(), j.State.History.Running()
	var drifted []ledger.Drift
	r := ledger.Release{Name: j.Key.Name, Namespace: j.Key.Namespace, Healthy: current != nil && current == runs, BlockedBy: j.Blocked, DependsOn: j.Spec.DependsOn}
	if j.Prepared == nil { // environment.yaml does not list it, or can't be read
		r.DependsOn = j.Former
	}
	if b := s.Observed.Baselines.Of(j.Key); b != nil {
		drifted = slices.Concat(b.Drift, b.Foreign)
		r.Drift, r.MoreDrift = ledger.Bound(drifted)
		r.Healthy, r.Reason = s.observe(j.Key, b)
	}
	if before := s.Ledger.Release(j.Key.Namespace, j.Key.Name); before != nil {
		r.Decline, r.HealthRevision = before.Decline, before.HealthRevision
	}
	if j.Decision.Behind || len(j.Blocked) > 0 || current == nil {
		r.Behind = s.behindSince(j)
		r.Reason = cmp.Or(r.Reason, j.Decision.Reason, j.Outcome.Reason)
	}
	if j.Err != nil {
		r.Healthy, r.Reason = false, j.Err.Error()
	}
	r.Reason = ledger.Shorten(s.Veil.Text(r.Reason))
	setLeaving(&r, s.leaving(ctx, j))
	s.show(j, r, drifted)
	return r
}

func (s *Releases) show(j *deploy.Job, r ledger.Release, drifted []ledger.Drift) {
	objects := map[string]bool{}
	foreign := 0
	for _, d := range drifted {
		if d.Foreign {
			foreign++
		} else {
			objects[d.Object] = true
		}
	}
	g := report.Release{Name: j.Key.Name, Healthy: r.Healthy, Paused: j.State.Paused != "", Behind: r.Behind, Unhealthy: r.Unhealthy(), Drifted: len(objects), Foreign: foreign}
	if c := j.State.History.Running(); c != nil {
		g.ChartVersion, g.AppVersion, g.Revision, g.Status = c.ChartVersion(), c.AppVersion(), c.Revision, string(c.Status)
	}
	s.Reporter.Show(g)
}

// behindSince returns since when a release is not what git asks for: since the ledger says so,
// which survives a restart, or since the oldest commit came that asked for something else and is
// not live.
func (s *Releases) behindSince(j *deploy.Job) time.Time {
	if r := s.Ledger.Release(j.Key.Namespace, j.Key.Name); r != nil && !r.Behind.IsZero() {
		return r.Behind
	}
	since := s.Ledger.Head().Started
	if entry := s.Ledger.Entry(j.Commit); entry != nil {
		since = entry.Started
	}
	return since
}

// SetBehind has it said that releases are behind, and why, as soon as their rollouts begin: these
// may take long, and all releases are described when they have ended. What was said of a former
// commit does not stay until then.
func (s *Releases) SetBehind(jobs []*deploy.Job) {
	for _, j := range jobs {
		if !j.Changes() {
			continue
		}
		r := s.Ledger.Release(j.Key.Namespace, j.Key.Name)
		if r == nil {
			s.Ledger.Releases = append(s.Ledger.Releases, ledger.Release{Name: j.Key.Name, Namespace: j.Key.Namespace, DependsOn: j.Spec.DependsOn})
			r = s.Ledger.Release(j.Key.Namespace, j.Key.Name)
		}
		r.Behind = s.behindSince(j)
		if r.Healthy || j.State.History.Current() == nil { // else the reason is what is wrong with what runs
			r.Reason = ledger.Shorten(s.Veil.Text(j.Decision.Reason))
		}
		s.show(j, *r, r.Drift)
	}
}

// leaving returns the objects that rollouts of a release deleted and that are not gone yet: those
// that its last rollout left, and those that the ledger tells of.
func (s *Releases) leaving(ctx context.Context, j *deploy.Job) []judge.Health {
	ids := slices.Clone(j.Left)
	for _, o := range j.Leaving {
		ids = append(ids, manifest.ID(o))
	}
	if len(ids) == 0 {
		return nil
	}
	wanted := map[manifest.ID]bool{}
	if b := s.Observed.Baselines.Of(j.Key); b != nil {
		for _, id := range b.IDs {
			wanted[id] = true // it came back
		}
	}
	ids = slices.DeleteFunc(ids, func(id manifest.ID) bool {
		again := wanted[id]
		wanted[id] = true // each once
		return again
	})
	left, err := s.Cluster.Inspector.Terminating(ctx, ids)
	if err != nil {
		s.Log.Warn("whether all of a former version is gone can't be told", "release", j.Key.Name, "error", err)
		for _, id := range ids {
			left = append(left, judge.Health{ID: id, State: health.Progressing, Reason: "whether it is gone can't be told"})
		}
	}
	return left
}

// setLeaving enters which objects of a release are on their way out.
func setLeaving(r *ledger.Release, left []judge.Health) {
	for _, h := range left[:min(len(left), ledger.MostLeaving)] {
		r.Leaving = append(r.Leaving, ledger.Object(h.ID))
	}
	if len(left) > 0 && r.Reason == "" {
		r.Reason = fmt.Sprintf("not all of a former version is gone: %s: %s", left[0].ID, left[0].Reason)
		if more := len(left) - 1; more > 0 {
			r.Reason += fmt.Sprintf(", and %d more", more)
		}
	}
}
