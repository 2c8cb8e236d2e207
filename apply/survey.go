package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Survey reads all that a plan needs to know: what is live, and for what is not
// known to be in place, what the API server would make of it. It sends dry-runs
// only and writes nothing. An error means that the server could not be asked;
// what it refuses is in Seen.
func (c *Cluster) Survey(ctx context.Context, want, past []manifest.Object, coming plan.Coming) (map[manifest.ID]plan.Seen, error) {
	var watched []*unstructured.Unstructured
	for i, o := range past {
		past[i].Unstructured = c.Served(o.Unstructured)
		watched = append(watched, past[i].Unstructured)
	}
	for _, o := range want {
		watched = append(watched, o.Unstructured)
	}
	if err := c.Live.Watch(ctx, watched); err != nil {
		return nil, err
	}
	seen := make(map[manifest.ID]plan.Seen, len(want)+len(past))
	for _, o := range past {
		live, err := c.look(ctx, o.Unstructured)
		if err != nil {
			return nil, err
		}
		seen[o.ID()] = plan.Seen{Live: live}
	}
	var mu sync.Mutex
	err := c.Each(ctx, want, func(ctx context.Context, o manifest.Object) error {
		s, err := c.surveyWanted(ctx, o, coming)
		mu.Lock()
		defer mu.Unlock()
		seen[o.ID()] = s
		return err
	})
	return seen, err
}

func (c *Cluster) surveyWanted(ctx context.Context, o manifest.Object, coming plan.Coming) (plan.Seen, error) {
	if err := untenable(o); err != nil {
		live, _ := c.Live.Get(o.ID())
		return plan.Seen{Live: live, Err: err}, nil
	}
	if coming.Absent[o.GetNamespace()] {
		return c.probe(ctx, o.Unstructured, coming, plan.NamespaceComes(o.GetNamespace()))
	}
	return c.surveyOne(ctx, o.Unstructured, coming)
}

// serversOwn are the fields of an object's metadata with which an apply can't succeed,
// or only the first time. What the server passes over (generation, creationTimestamp,
// selfLink, the status of what has a status of its own) is left to it, as Helm does.
var serversOwn = []string{"uid", "resourceVersion", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds"}

// untenable refuses an object that says what the API server alone may say.
func untenable(o manifest.Object) error {
	meta := manifest.AsMap(o.Object["metadata"])
	for _, field := range serversOwn {
		if v, set := meta[field]; set && v != nil && v != "" {
			return fmt.Errorf("metadata.%s is set, which is the API server's alone: take it out of the template", field)
		}
	}
	return nil
}

// FindAbsent asks which of the coming namespaces do not exist yet: what goes there
// need not be dry-run to know it.
func (c *Cluster) FindAbsent(ctx context.Context, coming *plan.Coming) error {
	coming.Absent, coming.Names = map[string]bool{}, &plan.Names{}
	for ns := range coming.Namespaces {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
		u.SetName(ns)
		live, err := c.Read(ctx, u)
		if err != nil {
			return err
		}
		coming.Absent[ns] = live == nil
	}
	return nil
}

// look returns a past object as the live cache has it; one that lost the
// environment's label, or is Helm's until now, is read from the server.
func (c *Cluster) look(ctx context.Context, u *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if live, ok := c.Live.Get(manifest.IDOf(u)); ok {
		return live, nil
	}
	return c.Read(ctx, u)
}

// looks is how often an object is looked at that changes while it is judged.
const looks = 5

func (c *Cluster) surveyOne(ctx context.Context, u *unstructured.Unstructured, coming plan.Coming) (plan.Seen, error) {
	id := manifest.IDOf(u)
	live, _ := c.Live.Get(id)
	if why := coming.Unserved(u.GroupVersionKind()); why != "" {
		return plan.Seen{Live: live, Err: errors.New(why)}, nil
	}
	if live != nil && c.Live.KnownInPlace(u) {
		return plan.Seen{Live: live, InPlace: true}, nil
	}
	for range looks {
		judged, err := c.dryRun(ctx, u)
		if err != nil {
			return c.refusedBy(ctx, u, live, err, coming)
		}
		if !sameVersion(live, judged) {
			// The watch is behind what was dry-run, or the object exists without our
			// label: a comparison would call others' writes our drift.
			if live, err = c.Read(ctx, u); err != nil {
				return plan.Seen{}, err
			}
		}
		if sameVersion(live, judged) {
			if live != nil && plan.Settled(live, judged, drift.Compare(live, judged)) {
				c.Leave(id, u, live)
			}
			return plan.Seen{Live: live, Judged: judged}, nil
		}
	}
	return plan.Seen{}, fmt.Errorf("dry-run %s: %w", id, errRestless)
}

// errRestless says that an object changes faster than it can be compared.
const errRestless = apierror.Pending("it changes faster than it can be compared")

const redefinedText = "its kind's definition changes with this commit"

// refusedBy looks into what the API server says against an object: whether it will say
// so when all that comes with the commit is there, and whether a new object of the name
// could be had instead.
func (c *Cluster) refusedBy(ctx context.Context, u, live *unstructured.Unstructured, refusal error, coming plan.Coming) (plan.Seen, error) {
	if why := coming.Deferral(u, refusal); why != "" {
		if apierror.NamespaceMissing(refusal, u.GetNamespace()) {
			return c.probe(ctx, u, coming, why)
		}
		return plan.Seen{Live: live, Deferred: why}, nil
	}
	if why := coming.Guard(refusal); why != "" {
		return plan.Seen{Live: live, Deferred: why, Guarded: true}, nil
	}
	if apierror.Transient(refusal) {
		return plan.Seen{}, fmt.Errorf("dry-run %s: %w", manifest.IDOf(u), refusal)
	}
	changes, err := c.redefined(ctx, u, coming)
	if changes || err != nil {
		return plan.Seen{Deferred: redefinedText}, err
	}
	s := plan.Seen{Err: refusal}
	if s.Live, err = c.Read(ctx, u); err != nil || s.Live == nil { // the refusal may be about what exists without our label
		return s, err
	}
	if apierror.Immutable(refusal) && manifest.IDOf(u).GroupKind() != plan.DefinitionKind {
		s.Successor, err = c.succession(ctx, u, s.Live, coming)
	}
	return s, err
}

// redefined reports whether the same commit changes the definition of an object's
// kind, so that what the server says of the object now may not hold then.
func (c *Cluster) redefined(ctx context.Context, u *unstructured.Unstructured, coming plan.Coming) (bool, error) {
	for _, definition := range coming.Kinds[u.GroupVersionKind().GroupKind()] {
		s, err := c.surveyOne(ctx, definition, plan.Coming{})
		changes := !s.InPlace && s.Judged != nil && (s.Live == nil || len(drift.Compare(s.Live, s.Judged)) > 0)
		if changes || err != nil {
			return changes, err
		}
	}
	return false, nil
}

// sameVersion reports whether a dry-run was answered on the ground of the very
// object that is known. A dry-run does not change the resource version.
func sameVersion(live, judged *unstructured.Unstructured) bool {
	if live == nil {
		return judged.GetResourceVersion() == ""
	}
	return live.GetResourceVersion() == judged.GetResourceVersion()
}
