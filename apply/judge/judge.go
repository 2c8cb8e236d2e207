// Package judge judges the health of the objects in a cluster: by the rules of package health,
// and by what the cluster knows besides the object.
//
// It does not know plans, releases or rollouts, does not look at an object's pods, and waits
// for nothing.
package judge

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// Health is the state of one object and a sentence on why it is not healthy.
type Health struct {
	manifest.ID
	State  health.State
	Reason string

	// Rule names what decided, and Field the field that it read.
	Rule, Field string
	// Mends says that what is unhealthy may mend itself: it ends no rollout before its
	// time.
	Mends bool
	// Grace is how long what does not mend itself has to last before it ends a rollout.
	Grace time.Duration
	// Held says that somebody has to act before the object goes on.
	Held bool
	// Again is when the state changes though the object does not; zero is never.
	Again time.Time
}

// Due reports whether an unchanged object has to be judged again, because time has passed.
func (h Health) Due(now time.Time) bool { return !h.Again.IsZero() && !now.Before(h.Again) }

// Of judges an object by its own status, as package health does, without a cluster's rules. It
// depends on nothing but the object and the time.
func Of(id manifest.ID, object *unstructured.Unstructured) Health {
	return healthByRules(id, object, health.Options{})
}

// healthByRules is Of with what more is known.
func healthByRules(id manifest.ID, object *unstructured.Unstructured, o health.Options) Health {
	o.Manager, o.Now = ownership.FieldManager, time.Now()
	v := health.Of(object, o)
	return Health{ID: id, State: v.State, Reason: v.Reason, Rule: v.Rule, Field: v.Field,
		Mends: v.State == health.Unhealthy && !v.Failed, Grace: v.Grace, Held: v.Held, Again: v.Again}
}

// Judge judges the objects of one environment as its live cache has them. It is safe for
// concurrent use.
type Judge struct {
	client      *kube.Client
	live        *live.Cache
	environment string

	mu    sync.Mutex
	rules *health.Rules                // they go before the built-in ones
	known map[manifest.ID]cachedHealth // what was last found
}

// cachedHealth is an object's health, and the resource version that it was found of.
type cachedHealth struct {
	version string
	health  Health
}

// New returns the Judge of an environment, without rules of its own.
func New(client *kube.Client, cache *live.Cache, environment string) *Judge {
	return &Judge{client: client, live: cache, environment: environment, known: map[manifest.ID]cachedHealth{}}
}

// SetRules sets the rules that are asked before the built-in ones. Objects that were judged by
// other rules are judged again.
func (j *Judge) SetRules(rules *health.Rules) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !rules.Equal(j.rules) {
		j.rules, j.known = rules, map[manifest.ID]cachedHealth{}
	}
}

// Forget drops what was found of objects that are gone.
func (j *Judge) Forget(ids []manifest.ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, id := range ids {
		delete(j.known, id)
	}
}

// Health returns the state of each object as the live cache has it. An object that can't be
// watched is not healthy, since its state is not known.
func (j *Judge) Health(objects []manifest.ID) []Health {
	out := make([]Health, 0, len(objects))
	for _, id := range objects {
		if err := j.live.IsUnwatchable(id); err != nil {
			out = append(out, Health{ID: id, State: health.Unknown, Reason: err.Error()})
			continue
		}
		out = append(out, j.Cached(id))
	}
	return out
}

// Cached judges an object as the live cache has it. It evaluates the rules only for objects
// that changed.
func (j *Judge) Cached(id manifest.ID) Health {
	version := j.live.ResourceVersion(id)
	j.mu.Lock()
	known, ok := j.known[id]
	j.mu.Unlock()
	if ok && version != "" && known.version == version && !known.health.Due(time.Now()) {
		return known.health
	}
	object, _ := j.live.Get(id)
	h := j.object(id, object)
	j.mu.Lock()
	defer j.mu.Unlock()
	if object == nil {
		delete(j.known, id)
	} else {
		j.known[id] = cachedHealth{object.GetResourceVersion(), h}
	}
	return h
}

// object is Of with the cluster's rules, and with what it says of the kind.
func (j *Judge) object(id manifest.ID, object *unstructured.Unstructured) Health {
	j.mu.Lock()
	rules := j.rules
	j.mu.Unlock()
	return healthByRules(id, object, health.Options{Rules: rules, Status: j.hasStatus})
}

// hasStatus says whether a kind has a status subresource.
func (j *Judge) hasStatus(gvk schema.GroupVersionKind) health.Presence {
	switch has, known := j.client.StatusOf(gvk); {
	case !known:
		return health.PresenceUnknown
	case has:
		return health.Present
	}
	return health.Absent
}

// Now asks the server for the state of each object, for callers without watches.
func (j *Judge) Now(ctx context.Context, objects []manifest.Object) ([]Health, error) {
	out := make([]Health, len(objects))
	index := map[manifest.ID]int{}
	for i, o := range objects {
		index[o.ID()] = i
	}
	err := j.client.Each(ctx, objects, func(ctx context.Context, o manifest.Object) error {
		found, err := j.client.Read(ctx, o.Unstructured)
		if err != nil {
			return err
		}
		h := j.object(o.ID(), found)
		if found == nil && plan.ExpiresWhenFinished(o.Unstructured) {
			h = Health{ID: o.ID(), State: health.Healthy}
		}
		out[index[o.ID()]] = h
		return nil
	})
	return out, err
}
