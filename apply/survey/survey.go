// Package survey reads the live state of a release's objects, and finds by dry-runs what
// applying them would change: all that a plan needs to know.
//
// It does not know records or decisions, and writes nothing.
package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/apierror"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/ssa"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Surveyor surveys the objects of one environment. It is safe for concurrent use.
type Surveyor struct {
	client  *kube.Client
	live    *live.Cache
	scalers *live.Autoscalers
	applier *ssa.Applier
}

// New returns a Surveyor, with watches of its own on autoscalers.
func New(client *kube.Client, cache *live.Cache, applier *ssa.Applier) *Surveyor {
	return &Surveyor{client: client, live: cache, scalers: live.NewAutoscalers(client, cache), applier: applier}
}

// Survey reads all that a plan needs to know: the live objects, and, for those that are not
// known to be up to date, the result of a dry-run. It writes nothing. An error means that the
// server could not be asked; refusals are in the observations.
func (v *Surveyor) Survey(ctx context.Context, want, past []manifest.Object, provisions plan.Provisions) (map[manifest.ID]plan.Observation, error) {
	var watched []*unstructured.Unstructured
	for i, o := range past {
		past[i].Unstructured = v.client.Served(o.Unstructured)
		watched = append(watched, past[i].Unstructured)
	}
	for _, o := range want {
		watched = append(watched, o.Unstructured)
	}
	if err := v.live.Watch(ctx, watched); err != nil {
		return nil, err
	}
	observations := make(map[manifest.ID]plan.Observation, len(want)+len(past))
	for _, o := range past {
		live, err := v.live.GetOrRead(ctx, o.Unstructured)
		if err != nil {
			return nil, err
		}
		observations[o.ID()] = plan.Observation{Live: live}
	}
	var mu sync.Mutex
	err := v.client.Each(ctx, want, func(ctx context.Context, o manifest.Object) error {
		s, err := v.surveyWanted(ctx, o, provisions)
		mu.Lock()
		defer mu.Unlock()
		observations[o.ID()] = s
		return err
	})
	return observations, err
}

func (v *Surveyor) surveyWanted(ctx context.Context, o manifest.Object, provisions plan.Provisions) (plan.Observation, error) {
	if err := unfit(o); err != nil {
		live, _ := v.live.Get(o.ID())
		return plan.Observation{Live: live, Err: err}, nil
	}
	if provisions.Absent[o.GetNamespace()] {
		return v.probe(ctx, o.Unstructured, provisions, plan.PendingNamespace(o.GetNamespace()))
	}
	return v.One(ctx, o.Unstructured, provisions)
}

// serverFields are the fields of an object's metadata with which an apply can't succeed,
// or only the first time. What the server passes over (generation, creationTimestamp,
// selfLink, the status of what has a status of its own) is left to it, as Helm does.
var serverFields = []string{"uid", "resourceVersion", "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds"}

// unfit refuses an object that must not be sent, not even to be tried.
func unfit(o manifest.Object) error {
	return cmp.Or(reservedMetadata(o), kube.CheckQuantities(o.Unstructured), kube.CheckRights(o.Unstructured))
}

// reservedMetadata refuses an object that says what the API server alone may say.
func reservedMetadata(o manifest.Object) error {
	meta := manifest.AsMap(o.Object["metadata"])
	for _, field := range serverFields {
		if v, set := meta[field]; set && v != nil && v != "" {
			return fmt.Errorf("metadata.%s is set, which is the API server's alone: take it out of the template", field)
		}
	}
	return nil
}

// FindAbsent finds out which of the provided namespaces do not exist yet, so that no dry-run is
// needed to learn that.
func (v *Surveyor) FindAbsent(ctx context.Context, provisions *plan.Provisions) error {
	provisions.Absent, provisions.Names = map[string]bool{}, &plan.Names{}
	for ns := range provisions.Namespaces {
		u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
		u.SetName(ns)
		live, err := v.client.Read(ctx, u)
		if err != nil {
			return err
		}
		provisions.Absent[ns] = live == nil
	}
	return nil
}

// maxAttempts is how often an object is read that changes while it is dry-run.
const maxAttempts = 5

// One surveys a single object that is wanted.
func (v *Surveyor) One(ctx context.Context, u *unstructured.Unstructured, provisions plan.Provisions) (plan.Observation, error) {
	id := manifest.IDOf(u)
	live, _ := v.live.Get(id)
	if why := provisions.Unserved(u.GroupVersionKind()); why != "" {
		return plan.Observation{Live: live, Err: errors.New(why)}, nil
	}
	if live != nil && v.live.KnownInPlace(u) {
		return plan.Observation{Live: live, InPlace: true}, nil
	}
	for range maxAttempts {
		judged, err := v.applier.DryRun(ctx, u)
		if err != nil {
			return v.refusedBy(ctx, u, live, err, provisions)
		}
		if !sameVersion(live, judged) {
			// The watch is behind what was dry-run, or the object exists without our
			// label: a comparison would call others' writes our drift.
			if live, err = v.client.Read(ctx, u); err != nil {
				return plan.Observation{}, err
			}
		}
		if sameVersion(live, judged) {
			if live != nil && plan.Settled(live, judged, drift.Compare(live, judged)) {
				v.live.Placements.Remember(id, u, live)
			}
			return plan.Observation{Live: live, DryRun: judged}, nil
		}
	}
	return plan.Observation{}, fmt.Errorf("dry-run %s: %w", id, errUnstable)
}

// errUnstable says that an object changes faster than it can be compared.
const errUnstable = apierror.Pending("object changes faster than it can be compared")

const redefinedText = "its kind's definition changes with this commit"

// refusedBy looks into what the API server says against an object: whether it will say
// so when all that comes with the commit is there, and whether a new object of the name
// could be had instead.
func (v *Surveyor) refusedBy(ctx context.Context, u, live *unstructured.Unstructured, refusal error, provisions plan.Provisions) (plan.Observation, error) {
	if why := provisions.Deferral(u, refusal); why != "" {
		if apierror.NamespaceMissing(refusal, u.GetNamespace()) {
			return v.probe(ctx, u, provisions, why)
		}
		return plan.Observation{Live: live, Deferred: why}, nil
	}
	if why := provisions.PendingWebhook(refusal); why != "" {
		return plan.Observation{Live: live, Deferred: why, AwaitsWebhook: true}, nil
	}
	if apierror.Transient(refusal) {
		return plan.Observation{}, fmt.Errorf("dry-run %s: %w", manifest.IDOf(u), refusal)
	}
	changes, err := v.redefined(ctx, u, provisions)
	if changes || err != nil {
		return plan.Observation{Deferred: redefinedText}, err
	}
	s := plan.Observation{Err: refusal}
	if s.Live, err = v.client.Read(ctx, u); err != nil || s.Live == nil { // the refusal may be about what exists without our label
		return s, err
	}
	if apierror.Immutable(refusal) && manifest.IDOf(u).GroupKind() != plan.DefinitionKind {
		s.Replacement, err = v.Replacement(ctx, u, s.Live, provisions)
	}
	return s, err
}

// redefined reports whether the same commit changes the definition of an object's
// kind, so that what the server says of the object now may not hold then.
func (v *Surveyor) redefined(ctx context.Context, u *unstructured.Unstructured, provisions plan.Provisions) (bool, error) {
	for _, definition := range provisions.Kinds[u.GroupVersionKind().GroupKind()] {
		s, err := v.One(ctx, definition, plan.Provisions{})
		changes := !s.InPlace && s.DryRun != nil && (s.Live == nil || len(drift.Compare(s.Live, s.DryRun)) > 0)
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
