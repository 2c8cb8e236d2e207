package assess

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
)

// unlistedTimeout bounds what is done about a release that environment.yaml says
// nothing of.
const unlistedTimeout = 5 * time.Minute

// Releases returns every release that is listed or was ours, and decides on each. When the commit is refused, the cluster is held to what it has.
func (a *Assessor) Releases(ctx context.Context, l *Commit) ([]*Release, error) {
	if err := a.readHistories(ctx, l); err != nil {
		return nil, err
	}
	var jobs []*Release
	listed := map[observed.Key]bool{}
	if l.Unread() == nil {
		for _, t := range l.targets {
			key := observed.Key{Namespace: t.spec.Namespace, Name: t.spec.Name}
			listed[key] = true
			jobs = append(jobs, a.Release(l, key, t.spec, t.prepared))
		}
	}
	for _, key := range a.Observed.Histories.Owned(a.Environment) {
		if listed[key] {
			continue
		}
		jobs = append(jobs, a.Release(l, key, config.ReleaseSpec{Name: key.Name, Namespace: key.Namespace, Timeout: unlistedTimeout}, nil))
	}
	a.Veil.Forget(func(key observed.Key) bool {
		return !listed[key] && len(a.Observed.Histories.History(key).Intended()) == 0 // nothing of it is there any more
	})
	slices.SortStableFunc(jobs, func(a, b *Release) int {
		return strings.Compare(a.Key.String(), b.Key.String())
	})
	if l.Env != nil && l.Env.Atomic {
		abortTogether(jobs)
	}
	return jobs, nil
}

// abortTogether has the releases of an atomic environment decided anew once one
// of them has failed with what git asks for.
func abortTogether(jobs []*Release) {
	for _, failed := range jobs {
		r := failed.State.History.FailedWith(failed.Asked)
		if failed.Asked == "" || r == nil || failed.State.Retry {
			continue
		}
		for _, j := range jobs {
			if j != failed && j.State.Frozen == "" {
				j.State.Aborted, j.State.AbortedCommit = fmt.Sprintf("release %s failed, and the environment is atomic", failed.Spec.Name), r.Commit
				j.decide()
			}
		}
		return
	}
}

// Release collects the state of one release, and decides on it.
func (a *Assessor) Release(l *Commit, key observed.Key, spec config.ReleaseSpec, p *render.Prepared) *Release {
	now, control := a.Now(), a.Control
	j := &Release{Key: key, Spec: spec, inputs: inputs{Prepared: p},
		past: past{Former: a.formerly(key), unrecorded: a.Observed.Histories.UnrecordedOf(key), Leaving: a.Ledger.LeavingOf(key.Namespace, key.Name)}}
	j.Owner = plan.Owner{Environment: a.Environment, Name: key.Name, Namespace: key.Namespace, Realm: l.realm}
	j.State = decide.State{Environment: a.Environment, Desired: decide.Desired{Listed: p != nil, OnFailure: spec.OnFailure, Retries: spec.Retries}, History: a.Observed.Histories.History(key), Retry: a.retryAsked(control, key), Live: decide.Live{Runs: j.unrecorded != nil}}
	if t := l.InForce; t != nil {
		j.State.Correct = t.Drift != "report"
		j.Owner.Strict, j.Owner.Ignore = t.Drift == "strict", t.Ignore
	}
	if l.Env != nil {
		if l.Env.Atomic {
			j.State.OnFailure = "rollback"
		}
		if a.Ledger.Applied != nil || len(j.State.History) > 0 { // what was never there may come at any time
			j.State.Closed, _ = decide.Closed(l.Env.Windows, now)
		}
	}
	j.State.Busy = a.helmAtWork(j.State.History, now)
	if p := control.Paused(key.Name, now); p != nil {
		j.State.Paused = p.String()
	}
	if p != nil {
		j.State.Want, j.Asked = p.Digest, p.Digest
		a.Veil.Note(key, p)
	}
	if j.Secrets = a.Veil.Of(key); j.Secrets == nil && l.Unread() != nil {
		j.Secrets = render.UnknownSecrets() // this process never read what is in force
	}
	j.Waits = a.Waits(key)
	if l.Unread() != nil {
		a.keepUnread(l, j)
	} else {
		a.handOver(l, j)
	}
	j.decide()
	return j
}

// helmPatience is how long a rollout that helm began is left to it: a record that is older
// was left behind by a helm that was interrupted, and is no lock.
const helmPatience = 30 * time.Second

// helmAtWork says that somebody runs helm on a release right now; empty if nobody does.
func (a *Assessor) helmAtWork(h record.History, now time.Time) string {
	last := h.Last()
	if last == nil || last.Ours() || !last.Status.IsPending() {
		return ""
	}
	until := last.Begun().Add(helmPatience)
	if !now.Before(until) {
		return ""
	}
	a.passAfter(until)
	return fmt.Sprintf("helm is in the middle of revision %d", last.Revision)
}

// formerly returns what a release depended on when the ledger was last written.
func (a *Assessor) formerly(key observed.Key) []string {
	if r := a.Ledger.Release(key.Namespace, key.Name); r != nil {
		return r.DependsOn
	}
	return nil
}

// keepUnread keeps a release as it is while the commit can't be carried out. What it
// asks for is known if it was carried out before.
func (a *Assessor) keepUnread(l *Commit, j *Release) {
	if l.Err != nil {
		j.KeepCurrent(refusedText)
		return
	}
	j.KeepCurrent(l.Away.Error())
	if a := a.Ledger.Applied; a != nil && a.Commit == l.SHA {
		j.Asked = j.State.Want
	}
}

// retryAsked reports whether somebody asked for what failed of a release to be
// tried again, and it was not yet.
func (a *Assessor) retryAsked(control ledger.Control, key observed.Key) bool {
	last := a.Observed.Histories.History(key).Last()
	if last == nil || control.Sync == nil {
		return false
	}
	return last.Revision <= control.Retry[key.String()] && a.Tried[key] != control.Sync.ID && last.Request != control.Sync.ID
}

const refusedText = "the commit is refused"
