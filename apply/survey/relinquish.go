package survey

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/apply/scaling"
	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render/manifest"
)

// Relinquish returns a release's objects as they are to be applied: without ignored fields that
// somebody else owns now (see drift.Relinquish), without certificates that others inject,
// without the replicas of workloads that an autoscaler targets, and with the present size of
// claims. As long as no autoscaler has set replicas, they stay as they are in the cluster,
// whether the chart sets them or not: a field that its only owner drops is reset to its
// default, one replica
// (https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#migrating-deployments-and-statefulsets-to-horizontal-autoscaling).
// The owner has to know what scales, see plan.Owner.Scales. The given objects are not modified.
func (v *Surveyor) Relinquish(ctx context.Context, rel plan.Owner, want, past []manifest.Object) ([]manifest.Object, error) {
	out := make([]manifest.Object, len(want))
	for i, o := range want {
		out[i] = o
		replicas, err := v.isScaled(ctx, o, rel.Scaling)
		if err != nil {
			return nil, err
		}
		ignored := manifest.IgnoredPaths(rel.Ignore, o.ID())
		before := manifest.Find(past, o.ID())
		keeps := !replicas && scaling.Scalable[o.ID().GroupKind()] && !scaling.HasReplicas(o.Unstructured) && before != nil && !scaling.HasReplicas(before)
		asked := replicas || keeps || claims(o) || len(ignored) > 0
		controlled := drift.MayBeControlled(o.Unstructured)
		if !asked && !controlled {
			continue
		}
		if err := v.live.Watch(ctx, []*unstructured.Unstructured{o.Unstructured}); err != nil {
			return nil, err
		}
		live, watched := v.live.Get(o.ID())
		if !watched && (asked || controlled && before != nil) { // else it is new: no controller has it yet
			if live, err = v.live.GetOrRead(ctx, o.Unstructured); err != nil {
				return nil, err
			}
		}
		live = ownership.Inherited(live)
		switch {
		case live == nil:
		case claims(o):
			out[i].Unstructured = grown(o.Unstructured, live)
		case replicas, keeps && drift.OwnedBy(live, ownership.FieldManager, "spec", "replicas"):
			// We set the number of replicas that it keeps, while an autoscaler was there.
			out[i].Unstructured = leftTo(o.Unstructured, live, "spec", "replicas")
		}
		ignored = slices.Concat(ignored, drift.Controlled(o.Unstructured, live, ownership.FieldManager))
		out[i].Unstructured = drift.Relinquish(out[i].Unstructured, live, before, ownership.FieldManager, ignored)
	}
	return out, nil
}

// isScaled reports whether an autoscaler says how many replicas an object has.
func (v *Surveyor) isScaled(ctx context.Context, o manifest.Object, s scaling.Intent) (bool, error) {
	if !scaling.HasReplicas(o.Unstructured) && !scaling.Scalable[o.ID().GroupKind()] {
		return false, nil
	}
	if s.Targets[o.ID()] {
		return true, nil
	}
	return v.scalers.Target(ctx, o.ID(), s.Leaving)
}

// UnwatchableAutoscalers returns the namespaces in which autoscalers can't be watched now.
func (v *Surveyor) UnwatchableAutoscalers(now time.Time) []*live.UnwatchableError {
	return v.scalers.Unwatchable(now)
}

// Current returns an object as it is to be written now: an autoscaler may have set its replicas
// since it was planned, and a write would undo that. It also returns the resource version of
// the live object for which this is valid; empty if any is.
func (v *Surveyor) Current(ctx context.Context, rel plan.Owner, u *unstructured.Unstructured) (object *unstructured.Unstructured, version string, err error) {
	if !scaling.Scalable[manifest.IDOf(u).GroupKind()] || !scaling.HasReplicas(u) {
		return u, "", nil
	}
	if scaled, err := v.isScaled(ctx, manifest.Object{Unstructured: u}, rel.Scaling); err != nil || !scaled {
		return u, "", err
	}
	live, err := v.client.Read(ctx, u)
	if err != nil || live == nil {
		return u, "", err
	}
	return leftTo(u, ownership.Inherited(live), "spec", "replicas"), live.GetResourceVersion(), nil
}
