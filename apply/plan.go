package apply

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Action is what a plan does with one object.
type Action string

// The actions.
const (
	Create    Action = "create"    // it does not exist
	Update    Action = "update"    // it differs from what is wanted
	Recreate  Action = "recreate"  // it differs in what can't be changed in place
	Unchanged Action = "unchanged" // it is as wanted
	Deferred  Action = "deferred"  // its kind or namespace comes with the same commit
	Delete    Action = "delete"    // it is no longer wanted
	Keep      Action = "keep"      // it is no longer wanted, and protected
	Refused   Action = "refused"   // the API server, or we, would not have it
)

// Change is what a plan does with one object, and why.
type Change struct {
	manifest.ID
	Action Action
	Stage  Stage
	// Object is the object as it will be applied; nil for Delete and Keep.
	Object *unstructured.Unstructured
	// Live is the object as it is; nil if it does not exist.
	Live *unstructured.Unstructured
	// Drift lists what an update changes.
	Drift []drift.Field
	// Foreign lists what people's tools added to the object. An update removes it
	// if the release's owner is strict.
	Foreign []drift.Field
	// Why is a sentence for Deferred, Keep, Recreate and Refused.
	Why string
	// Adopt says that the object was managed by Helm or kubectl until now.
	Adopt bool

	judged *unstructured.Unstructured // the dry-run's answer
	slim   bool                       // an update without Live and the dry-run's answer
	valid  bool                       // deferred, with content that the server takes

	guarded bool // deferred, because of a webhook that does not answer
	hook    bool // it is a hook, which is there while it runs
}

// Plan is what a release's deploy does, as data. Its String is stable.
type Plan struct {
	Release, Namespace string
	Changes            []Change

	coming   Coming // what deferred objects wait for
	progress func([]Health)
}

// Telling is the plan with progress, as in WaitFor, for what takes its time while it is
// applied.
func (p Plan) Telling(progress func([]Health)) Plan {
	p.progress = progress
	return p
}

// Seen is what is known of one object before a plan is made.
type Seen struct {
	// Live is the object as it is, nil if it does not exist.
	Live *unstructured.Unstructured
	// InPlace says that the object is known to be as wanted, with no dry-run.
	InPlace bool
	// Judged is the answer of the server-side dry-run.
	Judged *unstructured.Unstructured
	// Deferred says why the object could not be dry-run yet.
	Deferred string
	// Valid says that the content of a deferred object was dry-run all the same.
	Valid bool
	// Guarded says that the object is deferred because of an admission webhook.
	Guarded bool
	// Err is the refusal of the dry-run.
	Err error
	// Successor is what the server would say of a new object in the place of one that
	// can't be changed; nil if it would take it.
	Successor error
}

// NewPlan compares what a release wants with what it may have left in the
// cluster. It is pure: all that is known of the cluster is in seen. Objects of
// past that want still has are not pruned.
func NewPlan(rel Owner, want, past []manifest.Object, seen map[manifest.ID]Seen, coming Coming) Plan {
	p := Plan{Release: rel.Name, Namespace: rel.Namespace, coming: coming}
	wanted := map[manifest.ID]bool{}
	for _, o := range want {
		id := o.ID()
		wanted[id] = true
		c := wantChange(rel, o, seen[id], coming)
		if lost := lostVersions(c); len(lost) > 0 && !coming.Confirmed {
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
		// What is on its way out is there until it is gone.
		if live := seen[id].Live; live != nil {
			p.Changes = append(p.Changes, pruned(rel, id, live, coming))
		}
	}
	slices.SortStableFunc(p.Changes, func(a, b Change) int { return int(a.Stage) - int(b.Stage) })
	return p
}

func wantChange(rel Owner, o manifest.Object, s Seen, coming Coming) Change {
	c := Change{ID: o.ID(), Stage: StageOf(o.ID().GroupKind()), Object: o.Unstructured, Live: s.Live, judged: s.Judged, valid: s.Valid}
	beyond := rel.beyond(o)
	switch {
	case beyond != "":
		c.Action, c.Why = Refused, beyond
	case s.Deferred != "":
		c.Action, c.Why, c.guarded = Deferred, s.Deferred, s.Guarded
		if s.Guarded {
			c.Stage = StageWebhooks // what brings the webhook up goes first
		}
	case c.Stage != StageDefinitions && coming.keeper(rel, c.ID, s.Live) != "":
		c.Action, c.Why = Keep, "it moved to release "+coming.keeper(rel, c.ID, s.Live)
	case s.Live != nil && !rel.owns(s.Live) && c.Stage != StageDefinitions && !coming.gives(rel, s.Live):
		c.Action, c.Why = Refused, rel.collision(s.Live)
	case s.Err != nil:
		c.Action, c.Why = rel.refusal(o.Unstructured, s)
	case s.InPlace:
		c.Action = Unchanged
	case s.Live == nil:
		c.Action = Create
	default:
		c.Drift = drift.Compare(s.Live, s.Judged)
		c.Action, c.Adopt = Update, managedByOthers(s.Live)
		if settled(s.Live, s.Judged, c.Drift) {
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
		c.Why = inSource(c.Why, o)
	}
	return c
}

// inSource adds to what is said of an object the template that it comes from.
func inSource(why string, o manifest.Object) string {
	if o.Source == "" {
		return why
	}
	return fmt.Sprintf("%s (%s)", why, o.Source)
}

// differs reports whether an update changes what is ours of an object.
func (c Change) differs() bool {
	return c.Adopt || c.slim || c.judged != nil && !settled(c.Live, c.judged, c.Drift)
}

// settled reports whether an object that does not differ is ours as it would be
// after a write: a field that somebody else set to the very same value has to
// become ours, or it would stay when the chart drops it.
func settled(live, judged *unstructured.Unstructured, differs []drift.Field) bool {
	return len(differs) == 0 && !managedByOthers(live) && reflect.DeepEqual(drift.Applied(live, FieldManager), drift.Applied(judged, FieldManager))
}

// lostVersions returns the versions of a kind that a change would stop to serve.
// That a stored version or the scope stays is the API server's own rule
// (https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/).
func lostVersions(c Change) []string {
	if c.ID.GroupKind() != definitionKind || c.Action != Update {
		return nil
	}
	kept := servedVersions(c.judged)
	var lost []string
	for _, v := range servedVersions(c.Live) {
		if !slices.Contains(kept, v) {
			lost = append(lost, v)
		}
	}
	return lost
}

func servedVersions(definition *unstructured.Unstructured) []string {
	var out []string
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, v := range versions {
		m, _ := v.(map[string]any)
		if name, ok := m["name"].(string); ok && m["served"] == true {
			out = append(out, name)
		}
	}
	return out
}

// refusal turns the API server's "no" into an action: what cannot be changed in
// place is recreated where that is safe or asked for, and would succeed.
func (o Owner) refusal(u *unstructured.Unstructured, s Seen) (Action, string) {
	gk := manifest.IDOf(u).GroupKind()
	if kindMissing(s.Err) {
		return Refused, fmt.Sprintf("the API server does not serve %s, and nothing of this commit brings it: add its CustomResourceDefinition, or, if a program defines it once it runs, "+
			"name it on that program's object: %s: %s", u.GroupVersionKind(), AnnotBrings, gk)
	}
	if s.Live == nil || !immutable(s.Err) || gk == definitionKind { // all objects of the kind would go with it
		return Refused, s.Err.Error()
	}
	why := o.mayRecreate(u, s.Live)
	switch {
	case why == "":
		return Refused, fmt.Sprintf("%v; to delete and create it anew, annotate it with %s: \"true\"", s.Err, AnnotRecreate)
	case s.Successor != nil:
		return Refused, fmt.Sprintf("it can't be changed in place, and is not deleted, since a new one would be refused: %v", s.Successor)
	}
	return Recreate, why
}

// mayRecreate says why an object may be deleted and created anew; empty if it may not.
// What loses data by that has to say so itself, before or after the change.
func (o Owner) mayRecreate(u, live *unstructured.Unstructured) string {
	gk := manifest.IDOf(u).GroupKind()
	switch {
	case gk == jobKind:
		return "a Job can't be changed"
	case u.GetAnnotations()[AnnotRecreate] == "true", live.GetAnnotations()[AnnotRecreate] == "true":
		return "an immutable field changed, and " + AnnotRecreate + " allows it"
	case o.Rollback && neverPruned[gk] == "":
		return "an immutable field changed, and a rollback goes back over it"
	}
	return ""
}

// pruned is what is done with a live object that a release does not want any more.
func pruned(rel Owner, id manifest.ID, live *unstructured.Unstructured, coming Coming) Change {
	c := pruneChange(id, live, rel.owns(live))
	if why := rel.beyond(manifest.Object{Unstructured: live}); why != "" && c.Action == Delete {
		c.Action, c.Why = Keep, why
	}
	if to := coming.takenFrom(rel, id); to != "" && c.Action == Delete {
		c.Action, c.Why = Keep, "it moves to release "+to
	}
	if since, ok := rel.Since[id]; ok && live.GetCreationTimestamp().Time.Before(since) && c.Action == Delete {
		c.Action, c.Why = Keep, "it was there before the rollout that failed"
	}
	return c
}

func pruneChange(id manifest.ID, live *unstructured.Unstructured, ours bool) Change {
	c := Change{ID: id, Action: Delete, Stage: StageOf(id.GroupKind()), Live: live}
	switch {
	case !ours:
		c.Action, c.Why = Keep, "it is not the release's any more"
	case strings.ToLower(strings.TrimSpace(live.GetAnnotations()[annotKeep])) == "keep": // as Helm reads it
		c.Action, c.Why = Keep, annotKeep+": keep"
	case neverPruned[id.GroupKind()] != "":
		c.Action, c.Why = Keep, neverPruned[id.GroupKind()]
	}
	return c
}

// Pending reports whether the plan would write anything.
func (p Plan) Pending() bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Action.writes() })
}

func (a Action) writes() bool { return a != Unchanged && a != Keep && a != Refused }

// Slim returns the plan without what is not needed to carry it out: the objects that
// it leaves as they are, and what those that it updates are and will be like. What is
// said of them stays.
func (p Plan) Slim() Plan {
	p.Changes = slices.Clone(p.Changes)
	for i := range p.Changes {
		switch c := &p.Changes[i]; {
		case c.Action == Unchanged:
			c.Object, c.Live, c.judged = nil, nil, nil
		case c.Action == Update && !c.Adopt && c.differs():
			c.Live, c.judged, c.slim = nil, nil, true
		}
	}
	return p
}

// Refusals returns what the API server, or an owner, would not have.
func (p Plan) Refusals() []Change { return p.with(Refused) }

// Drifted returns the changes that put back what is not as it was applied.
func (p Plan) Drifted() []Change { return p.with(Create, Update, Recreate, Deferred, Delete) }

func (p Plan) with(actions ...Action) []Change {
	var out []Change
	for _, c := range p.Changes {
		if slices.Contains(actions, c.Action) {
			out = append(out, c)
		}
	}
	return out
}

// String prints the plan, one line per object and one per differing field.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "release %s/%s\n", p.Namespace, p.Release)
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "  %-9s %-12s %s", c.Action, c.Stage, c.ID)
		if c.Why != "" {
			fmt.Fprintf(&b, ": %s", c.Why)
		}
		b.WriteByte('\n')
		for _, f := range c.Drift {
			fmt.Fprintf(&b, "              %s: %s -> %s\n", f.Path, f.Have, f.Want)
		}
		for _, f := range c.Foreign {
			fmt.Fprintf(&b, "              %s: %s, by %s\n", f.Path, f.Have, f.Manager)
		}
	}
	return b.String()
}
