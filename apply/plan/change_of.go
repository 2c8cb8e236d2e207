package plan

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Observation is what is known of one object before a plan is made.
type Observation struct {
	// Live is the object as it is, nil if it does not exist.
	Live *unstructured.Unstructured
	// InPlace says that the object is known to be as wanted, with no dry-run.
	InPlace bool
	// DryRun is the answer of the server-side dry-run.
	DryRun *unstructured.Unstructured
	// Deferred says why the object could not be dry-run yet.
	Deferred string
	// Valid says that the content of a deferred object was dry-run all the same.
	Valid bool
	// AwaitsWebhook says that the object is deferred because of an admission webhook.
	AwaitsWebhook bool
	// Err is the refusal of the dry-run.
	Err error
	// Replacement is what the server would say of a new object in the place of one that
	// can't be changed; nil if it would take it.
	Replacement error
}

// NewPlan compares what a release wants with what it may have left in the cluster. It is pure:
// observations are all that is known of the cluster. Objects in past that are in want too are
// not pruned.
func NewPlan(rel Owner, want, past []manifest.Object, observations map[manifest.ID]Observation, provisions Provisions) Plan {
	p := Plan{Release: rel.Name, Namespace: rel.Namespace, Provisions: provisions}
	wanted := map[manifest.ID]bool{}
	for _, o := range want {
		id := o.ID()
		wanted[id] = true
		c := ChangeOf(rel, o, observations[id], provisions)
		if lost := lostVersions(c); len(lost) > 0 && !provisions.Confirmed {
			c.Action, c.Why = Refused, fmt.Sprintf("it would no longer serve version %s: whoever uses that fails; once nobody does, confirm it with tether sync --confirm",
				strings.Join(lost, ", "))
		}
		p.Changes = append(p.Changes, c)
	}
	for _, o := range past {
		id := o.ID()
		if wanted[id] {
			continue
		}
		wanted[id] = true // past may list an object more than once
		// An object with a deletion timestamp exists until its finalizers are done.
		if live := observations[id].Live; live != nil {
			p.Changes = append(p.Changes, Pruned(rel, id, live, provisions))
		}
	}
	slices.SortStableFunc(p.Changes, func(a, b Change) int { return int(a.Stage) - int(b.Stage) })
	return p
}

// ChangeOf says what is to be done with one object that is wanted.
func ChangeOf(rel Owner, o manifest.Object, s Observation, provisions Provisions) Change {
	c := Change{ID: o.ID(), Stage: StageOf(o.ID().GroupKind()), Object: o.Unstructured, Live: s.Live, DryRun: s.DryRun, Deferral: Deferral{Valid: s.Valid}}
	beyond := rel.OutsideRealm(o)
	switch {
	case beyond != "":
		c.Action, c.Why = Refused, beyond
	case s.Deferred != "":
		c.Action, c.Why, c.AwaitsWebhook = Deferred, s.Deferred, s.AwaitsWebhook
		if s.AwaitsWebhook {
			c.Stage = StageWebhooks // what brings the webhook up goes first
		}
	case c.Stage != StageDefinitions && provisions.Moves.newOwner(rel, c.ID, s.Live) != "":
		c.Action, c.Why = Keep, "it moved to release "+provisions.Moves.newOwner(rel, c.ID, s.Live)
	case s.Live != nil && !rel.Owns(s.Live) && !rel.unmarked(c.ID, s.Live) && c.Stage != StageDefinitions && !provisions.Moves.gives(rel, s.Live):
		c.Action, c.Why = Refused, rel.collision(s.Live)
	case s.Err != nil:
		c.Action, c.Why = rel.Refusal(o.Unstructured, s)
	case s.InPlace:
		c.Action = Unchanged
	case s.Live == nil:
		c.Action = Create
	default:
		c.Drift = drift.Compare(s.Live, s.DryRun)
		c.Action, c.Adopt = Update, ownership.ManagedByOthers(s.Live)
		if Settled(s.Live, s.DryRun, c.Drift) {
			c.Action = Unchanged
		}
	}
	if (c.Action == Update || c.Action == Unchanged) && !c.Adopt { // what is adopted becomes ours
		c.Foreign = slices.DeleteFunc(rel.foreign(c.ID, s.Live), func(f drift.Field) bool {
			return slices.ContainsFunc(c.Drift, func(d drift.Field) bool { return d.Path == f.Path }) // it is ours, changed
		})
	}
	if rel.Strict && len(c.Foreign) > 0 {
		c.Action = Update
	}
	if c.Action == Refused {
		c.Why = InSource(c.Why, o)
	}
	return c
}

// Refusal turns a refusal of the API server into an action: an object that can't be changed in
// place is recreated if that is safe or asked for, and would succeed.
func (o Owner) Refusal(u *unstructured.Unstructured, s Observation) (Action, string) {
	gk := manifest.IDOf(u).GroupKind()
	if apierror.KindMissing(s.Err) {
		return Refused, fmt.Sprintf("the API server does not serve %s, and nothing of this commit brings it: add its CustomResourceDefinition, or, if a program defines it once it runs, "+
			"name it on that program's object: %s: %s", u.GroupVersionKind(), ownership.AnnotBrings, gk)
	}
	if s.Live == nil || !apierror.Immutable(s.Err) || gk == DefinitionKind { // all objects of the kind would go with it
		return Refused, s.Err.Error()
	}
	why := o.mayRecreate(u, s.Live)
	switch {
	case why == "":
		return Refused, fmt.Sprintf("%v; to delete and create it anew, annotate it with %s: \"true\"", s.Err, ownership.AnnotRecreate)
	case s.Replacement != nil:
		return Refused, fmt.Sprintf("it can't be changed in place, and is not deleted, since a new one would be refused: %v", s.Replacement)
	}
	return Recreate, why
}

// mayRecreate says why an object may be deleted and created anew; empty if it may not.
// A kind that loses data by that needs the annotation, before or after the change.
func (o Owner) mayRecreate(u, live *unstructured.Unstructured) string {
	gk := manifest.IDOf(u).GroupKind()
	switch {
	case gk == JobKind:
		return "a Job can't be changed"
	case u.GetAnnotations()[ownership.AnnotRecreate] == "true", live.GetAnnotations()[ownership.AnnotRecreate] == "true":
		return "an immutable field changed, and " + ownership.AnnotRecreate + " allows it"
	case o.Rollback && neverPruned[gk] == "":
		return "an immutable field changed, and a rollback goes back over it"
	}
	return ""
}
