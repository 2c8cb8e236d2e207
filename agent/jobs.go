package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/graph"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/manifest"
)

// job is one release in one look: what is known of it, what is decided, and
// what it takes.
type job struct {
	key      releaseKey
	spec     render.ReleaseSpec
	former   []string         // what it depended on when the ledger was last written
	prepared *render.Prepared // nil for a release that is not listed
	secrets  *render.Prepared // knows which values are secret; that of the last good commit if this one is refused
	state    decide.State
	owner    plan.Owner
	asked    string // the input digest that git asks for, refused or not
	decision decide.Decision
	release  *manifest.Release // what the cluster is to be held to; nil when nothing is to be looked at
	want     []manifest.Object // its objects as they are applied; nil once they were surveyed for a rollout
	ids      []manifest.ID     // theirs
	lasting  []manifest.ID     // without what the cluster deletes by itself
	remains  []manifest.Object // what is there of it, when no record tells
	had      int               // how many objects the release may have in the cluster
	needs    []*job            // the releases that it depends on, near ones
	plan     plan.Plan
	found    *held // what the plan was made from
	gate     bool  // releases that change wait for its health
	waits    error // the trouble for which it waits until it is tried again
	err      error // it could not be looked at
	blocked  []string
	outcome  ledger.Outcome
	commit   string          // the commit that its rollout belongs to
	leaving  []ledger.Object // what its former rollouts deleted and was not gone
	left     []manifest.ID   // what its rollout deleted and is not gone
	applied  bool            // its rollout came to its objects
	ended    ending          // how what was done about it ended
}

// unlistedTimeout bounds what is done about a release that environment.yaml says
// nothing of.
const unlistedTimeout = 5 * time.Minute

// jobs makes a job of every release that is listed or was ours, and decides on
// each. When the commit is refused, the cluster is held to what it has.
func (e *environment) jobs(ctx context.Context, l *loaded) ([]*job, error) {
	if err := e.readHistories(ctx, l); err != nil {
		return nil, err
	}
	var jobs []*job
	listed := map[releaseKey]bool{}
	if l.unread() == nil {
		for _, t := range l.targets {
			key := releaseKey{t.spec.Namespace, t.spec.Name}
			listed[key] = true
			jobs = append(jobs, e.newJob(l, key, t.spec, t.prepared))
		}
	}
	for _, key := range e.histories.owned(e.name) {
		if listed[key] {
			continue
		}
		jobs = append(jobs, e.newJob(l, key, render.ReleaseSpec{Name: key.name, Namespace: key.namespace, Timeout: unlistedTimeout}, nil))
	}
	e.bulletin.veil.forget(func(of veiled) bool {
		key := releaseKey(of)
		return !listed[key] && len(e.histories.history(key).Intended()) == 0 // nothing of it is there any more
	})
	slices.SortStableFunc(jobs, func(a, b *job) int {
		return strings.Compare(a.key.String(), b.key.String())
	})
	if l.env != nil && l.env.Atomic {
		abortTogether(jobs)
	}
	return jobs, nil
}

// abortTogether has the releases of an atomic environment decided anew once one
// of them has failed with what git asks for.
func abortTogether(jobs []*job) {
	for _, failed := range jobs {
		r := failed.state.History.FailedWith(failed.asked)
		if failed.asked == "" || r == nil || failed.state.Retry {
			continue
		}
		for _, j := range jobs {
			if j != failed && j.state.Kept == "" {
				j.state.Aborted, j.state.AbortedCommit = fmt.Sprintf("release %s failed, and the environment is atomic", failed.spec.Name), r.Commit
				j.decide()
			}
		}
		return
	}
}

func (e *environment) newJob(l *loaded, key releaseKey, spec render.ReleaseSpec, p *render.Prepared) *job {
	now, control := e.agent.opts.Now(), e.inbox.controlNow()
	j := &job{key: key, spec: spec, prepared: p, former: e.formerly(key), remains: e.histories.remainsOf(key), leaving: e.ledger.LeavingOf(key.namespace, key.name)}
	j.owner = plan.Owner{Environment: e.name, Name: key.name, Namespace: key.namespace, Realm: l.realm}
	j.state = decide.State{
		Environment: e.name, Listed: p != nil, History: e.histories.history(key), OnFailure: spec.OnFailure, Retries: spec.Retries,
		Retry: e.retryAsked(control, key), Runs: j.remains != nil,
	}
	if t := l.inForce; t != nil {
		j.state.Correct = t.Drift != "report"
		j.owner.Strict, j.owner.Ignore = t.Drift == "strict", t.Ignore
	}
	if l.env != nil {
		if l.env.Atomic {
			j.state.OnFailure = "rollback"
		}
		if e.ledger.Applied != nil { // what was never there may come at any time
			j.state.Closed, _ = decide.Closed(l.env.Windows, now)
		}
	}
	j.state.Busy = e.helmAtWork(j.state.History, now)
	if p := control.Paused(key.name, now); p != nil {
		j.state.Paused = p.String()
	}
	if p != nil {
		j.state.Want, j.asked = p.Digest, p.Digest
		e.bulletin.veil.note(veiled(key), p)
	}
	if j.secrets = e.bulletin.veil.of(veiled(key)); j.secrets == nil && l.unread() != nil {
		j.secrets = render.Unknown() // this process never read what is in force
	}
	if r := e.retries.of[key]; r.pending(now) {
		j.waits = &waitingError{r.err}
	}
	if l.unread() != nil {
		e.keepUnread(l, j)
	} else {
		e.handOver(l, j)
	}
	j.decide()
	return j
}

// helmPatience is how long a rollout that helm began is left to it: a record that is older
// was left behind by a helm that was interrupted, and is no lock.
const helmPatience = 30 * time.Second

// helmAtWork says that somebody runs helm on a release right now; empty if nobody does.
func (e *environment) helmAtWork(h record.History, now time.Time) string {
	last := h.Last()
	if last == nil || last.Ours() || !last.Status.IsPending() {
		return ""
	}
	until := last.Begun().Add(helmPatience)
	if !now.Before(until) {
		return ""
	}
	e.retries.busy(until, now)
	return fmt.Sprintf("helm is in the middle of revision %d", last.Revision)
}

// formerly returns what a release depended on when the ledger was last written.
func (e *environment) formerly(key releaseKey) []string {
	if r := e.ledger.Release(key.namespace, key.name); r != nil {
		return r.DependsOn
	}
	return nil
}

// keepUnread keeps a release as it is while the commit can't be carried out. What it
// asks for is known if it was carried out before.
func (e *environment) keepUnread(l *loaded, j *job) {
	if l.err != nil {
		j.keep(refusedText)
		return
	}
	j.keep(l.away.Error())
	if a := e.ledger.Applied; a != nil && a.Commit == l.commit {
		j.asked = j.state.Want
	}
}

// retryAsked reports whether somebody asked for what failed of a release to be
// tried again, and it was not yet.
func (e *environment) retryAsked(control ledger.Control, key releaseKey) bool {
	last := e.histories.history(key).Last()
	return last != nil && e.retries.wanted(control, key, last.Revision, last.Request)
}

const refusedText = "the commit is refused"

// keep has the job begin nothing new.
func (j *job) keep(why string) {
	j.state = j.state.Keep(why)
	j.release = nil
	j.decide()
}

// veil returns what hides the secrets of a job's release. What is recorded of it may hold
// others than what git asks for now: those of a former commit, or what a template looked
// up in another process.
func (j *job) veil() *render.Prepared {
	for _, r := range []*record.Record{j.state.History.Settled(), j.state.History.Pending(), j.decision.To} {
		if r != nil && r.Ours() && !r.Plain {
			return j.secrets.Wary()
		}
	}
	return j.secrets
}

func (j *job) decide() {
	j.decision = decide.Decide(j.state)
	if j.state.Kept != "" && j.asked != j.state.Want && !j.decision.Behind {
		j.decision.Behind = true
		if j.decision.Reason == "" {
			j.decision.Reason = j.state.Kept
		}
	}
}

// changes reports whether the job is a new rollout, as opposed to keeping what
// is there.
func (j *job) changes() bool { return j.decision.Changes() }

// acts reports whether there is anything to be done.
func (j *job) acts() bool { return j.decision.Acts() }

// goesBack reports whether the job returns to what ran before.
func (j *job) goesBack() bool {
	if j.decision.Act == decide.Resume {
		p := j.state.History.Pending()
		return p != nil && p.Action == record.Rollback
	}
	return j.decision.Act == decide.Rollback
}

// order is the graph of what is to be done in one look.
func order(jobs []*job, atomic bool) *graph.Graph {
	releases := make([]decide.Release, len(jobs))
	for i, j := range jobs {
		releases[i] = decide.Release{Key: j.key.String(), Name: j.spec.Name, Listed: j.state.Listed, DependsOn: j.spec.DependsOn,
			Former: j.former, Decision: j.decision, Back: j.goesBack(), Aborted: j.state.Aborted != ""}
	}
	g, gates := decide.Order(releases, atomic)
	for _, j := range jobs {
		j.gate = gates[j.key.String()]
	}
	return g
}

// fails reports whether it is known that the job will not be what git asks for.
func (j *job) fails() bool { return j.decision.Act == decide.Hold || j.waits != nil }

func byKey(jobs []*job) map[string]*job {
	out := make(map[string]*job, len(jobs))
	for _, j := range jobs {
		out[j.key.String()] = j
	}
	return out
}

// releaseNames are the names of releases that are given as "namespace/name".
func releaseNames(keys []string) []string {
	var out []string
	for _, k := range keys {
		_, name, _ := strings.Cut(k, "/")
		out = append(out, name)
	}
	return out
}

// refusals says what the API server, or an owner, would not have.
func (j *job) refusals() []string {
	var out []string
	for _, c := range j.plan.Refusals() {
		out = append(out, fmt.Sprintf("release %s: %s: %s", j.spec.Name, c.ID, j.veil().Mask(c.Why)))
	}
	return out
}

// refused returns the first refusal as an error.
func (j *job) refused() error {
	if r := j.plan.Refusals(); len(r) > 0 {
		return fmt.Errorf("%s: %s", r[0].ID, j.veil().Mask(r[0].Why))
	}
	return nil
}

// askedOf tells a commit that somebody asked to be looked at again from the same
// before.
func (e *environment) askedOf(l *loaded) string {
	return l.commit + " " + l.inputs + " " + e.inbox.requestNow()
}
