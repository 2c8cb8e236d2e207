package assess

import (
	"fmt"
	"slices"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
)

// Release is one release of an assessment: what is known of it, what is decided, and what
// would change.
type Release struct {
	Key  observed.Key
	Spec config.ReleaseSpec
	inputs
	Decision decide.Decision
	State    decide.State
	Owner    plan.Owner
	past
	wanted
	Plan  plan.Plan
	Found *observed.Baseline // what the plan was made from
	dependencies
	trouble
}

// inputs are what git asks for of a release.
type inputs struct {
	Prepared *render.Prepared // nil for a release that is not listed
	Secrets  *render.Prepared // knows which values are secret; that of the last good commit if this one is refused
	Asked    string           // the input digest that git asks for, refused or not
}

// past is what a release was, besides its records.
type past struct {
	Former     []string          // what it depended on when the ledger was last written
	Leaving    []ledger.Object   // what its former rollouts deleted and was not gone
	unrecorded []manifest.Object // its objects that no record tells of
	had        int               // how many objects the release may have in the cluster
}

// wanted is what the cluster is to be held to.
type wanted struct {
	Manifest *manifest.Release // nil when nothing is to be looked at
	want     []manifest.Object // its objects as they are applied; nil once they were surveyed for a rollout
	IDs      []manifest.ID     // theirs
	Lasting  []manifest.ID     // without what the cluster deletes by itself
}

// dependencies are a release's place in the order of its environment.
type dependencies struct {
	needs []*Release // the releases that it depends on, near ones
	Gate  bool       // releases that change wait for its health
}

// trouble is why a release could not be assessed.
type trouble struct {
	Waits error // for which it waits until it is tried again
	Err   error // it could not be looked at
}

// Veil returns what masks the secrets of a release. Its records may contain other secrets than
// those that git asks for now: of a former commit, or that a template looked up in another
// process.
func (j *Release) Veil() *render.Prepared {
	for _, r := range []*record.Record{j.State.History.Settled(), j.State.History.Pending(), j.Decision.To} {
		if r != nil && r.Ours() && !r.Plain {
			return j.Secrets.Strict()
		}
	}
	return j.Secrets
}

// Changes reports whether the job is a new rollout, as opposed to keeping what
// is there.
func (j *Release) Changes() bool { return j.Decision.Changes() }

// Acts reports whether there is anything to be done.
func (j *Release) Acts() bool { return j.Decision.Acts() }

// GoesBack reports whether the job returns to what ran before.
func (j *Release) GoesBack() bool {
	if j.Decision.Act == decide.Resume {
		p := j.State.History.Pending()
		return p != nil && p.Action == record.Rollback
	}
	return j.Decision.Act == decide.Rollback
}

func (j *Release) decide() {
	j.Decision = decide.Decide(j.State)
	if j.State.Frozen != "" && !j.State.Unknown && j.Asked != j.State.Want && !j.Decision.Behind {
		j.Decision.Behind = true
		if j.Decision.Reason == "" {
			j.Decision.Reason = j.State.Frozen
		}
	}
}

// KeepCurrent makes the release start nothing new: it stays as its newest record says.
func (j *Release) KeepCurrent(why string) {
	j.State = j.State.KeepCurrent(why)
	j.Manifest = nil
	j.decide()
}

// refusals lists the objects that the API server refuses, or that belong to another owner.
func (j *Release) refusals() []string {
	var out []string
	for _, c := range j.Plan.Refusals() {
		out = append(out, fmt.Sprintf("release %s: %s: %s", j.Spec.Name, c.ID, j.Veil().Mask(c.Why)))
	}
	return out
}

// Refused returns the first refusal as an error.
func (j *Release) Refused() error {
	if r := j.Plan.Refusals(); len(r) > 0 {
		return fmt.Errorf("%s: %s", r[0].ID, j.Veil().Mask(r[0].Why))
	}
	return nil
}

// Fails reports whether it is known that the job will not be what git asks for.
func (j *Release) Fails() bool { return j.Decision.Act == decide.Hold || j.Waits != nil }

// automatic reports whether the job goes back after a failure, and not because git asks
// for it.
func (j *Release) automatic() bool { return j.Decision.Behind && j.GoesBack() }

// bar keeps a release as it is whose rollback is refused.
func (j *Release) bar(why string) {
	j.State.RollbackRefused = why
	j.Manifest = nil
	j.decide()
}

// NotLeftToOthers returns those of some objects that the release has not left to another one.
func (j *Release) NotLeftToOthers(ids []manifest.ID) []manifest.ID {
	ceded := j.Plan.LeftToOthers()
	if len(ceded) == 0 {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id manifest.ID) bool { return slices.Contains(ceded, id) })
}

// Own gives the release copies of its records: what is written of them changes no other.
func (r *Release) Own() {
	r.State.History = record.Copy(r.State.History)
	if to := r.Decision.To; to != nil {
		for _, own := range r.State.History {
			if own.Revision == to.Revision {
				r.Decision.To = own
			}
		}
	}
}

// Brief returns the same without what it takes to carry it out.
func (r *Release) Brief() *Release {
	out := *r
	out.Drop()
	return &out
}
