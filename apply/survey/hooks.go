package survey

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// Hooks dry-runs the hooks of some events, as execute.Hooks will write them, and returns those
// that are refused: by the API server, or because they would replace an object that does not
// belong to the release. It writes nothing. What a hook needs may be provided by the commit, or
// by another hook.
func (v *Surveyor) Hooks(ctx context.Context, rel plan.Owner, hooks []manifest.Hook, events []string, provisions plan.Provisions) ([]plan.Change, error) {
	due := map[manifest.ID]manifest.Hook{}
	var objects []manifest.Object
	for _, h := range hooks {
		if _, twice := due[h.ID()]; !twice && slices.ContainsFunc(h.Events, func(e string) bool { return slices.Contains(events, e) }) {
			due[h.ID()] = h
			objects = append(objects, h.Object)
		}
	}
	if len(due) == 0 {
		return nil, nil
	}
	provisions = provisions.With(objects)
	var mu sync.Mutex
	var refused []plan.Change
	err := v.client.Each(ctx, rel.Mark(objects), func(ctx context.Context, o manifest.Object) error {
		s, err := v.surveyHook(ctx, rel, due[o.ID()], o, provisions)
		if err != nil || s.Err == nil {
			return err
		}
		action, why := rel.Refusal(o.Unstructured, plan.Observation{Err: s.Err})
		ch := plan.Change{ID: o.ID(), Action: action, Stage: plan.StageOf(o.ID().GroupKind()), Object: o.Unstructured, Why: plan.InSource(fmt.Sprintf("%s hook: %s", due[o.ID()].Events[0], why), o)}
		mu.Lock()
		defer mu.Unlock()
		refused = append(refused, ch)
		return nil
	})
	slices.SortFunc(refused, func(a, b plan.Change) int { return manifest.Compare(a.ID, b.ID) })
	return refused, err
}

// surveyHook judges the object of a hook as it will be: anew, if what is in its way is
// deleted first. Err says why it is refused.
func (v *Surveyor) surveyHook(ctx context.Context, rel plan.Owner, h manifest.Hook, o manifest.Object, provisions plan.Provisions) (plan.Observation, error) {
	if err := unfit(o); err != nil {
		return plan.Observation{Err: err}, nil
	}
	if why := rel.OutsideRealm(o); why != "" {
		return plan.Observation{Err: errors.New(why)}, nil
	}
	if provisions.Absent[o.GetNamespace()] {
		return v.probe(ctx, o.Unstructured, provisions, plan.PendingNamespace(o.GetNamespace()))
	}
	if why := provisions.Unserved(o.GroupVersionKind()); why != "" {
		return plan.Observation{Err: errors.New(why)}, nil
	}
	live, err := v.client.Read(ctx, o.Unstructured)
	if err != nil {
		return plan.Observation{}, err
	}
	if live != nil && !rel.OwnsHook(h, live) && !provisions.TransfersHook(rel, live) {
		return plan.Observation{Err: errors.New(rel.HookCollision(live))}, nil
	}
	if live != nil && plan.GoesFirst(h) {
		refusal, err := v.Replacement(ctx, o.Unstructured, live, provisions)
		return plan.Observation{Err: refusal}, err
	}
	if _, err = v.applier.DryRun(ctx, o.Unstructured); err == nil {
		return plan.Observation{}, nil
	}
	return v.refusedBy(ctx, o.Unstructured, nil, err, provisions)
}
