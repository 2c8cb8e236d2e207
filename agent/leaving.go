package agent

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/render/manifest"
)

// stillLeaving returns what rollouts of a release deleted and is not gone yet: what its
// last rollout left, and what the ledger tells of those before.
func (e *environment) stillLeaving(ctx context.Context, j *job) []apply.Health {
	ids := slices.Clone(j.left)
	for _, o := range j.leaving {
		ids = append(ids, manifest.ID(o))
	}
	if len(ids) == 0 {
		return nil
	}
	wanted := map[manifest.ID]bool{}
	if h := e.baselines.heldOf(j.key); h != nil {
		for _, id := range h.ids {
			wanted[id] = true // it came back
		}
	}
	ids = slices.DeleteFunc(ids, func(id manifest.ID) bool {
		again := wanted[id]
		wanted[id] = true // each once
		return again
	})
	left, err := e.cluster.Leaving(ctx, ids)
	if err != nil {
		e.log.Warn("whether all of a former version is gone can't be told", "release", j.key.name, "error", err)
		for _, id := range ids {
			left = append(left, apply.Health{ID: id, State: apply.Progressing, Reason: "whether it is gone can't be told"})
		}
	}
	return left
}

// tellLeaving enters into what is told of a release what of it is on its way out.
func tellLeaving(s *ledger.Release, left []apply.Health) {
	for _, h := range left[:min(len(left), ledger.MostLeaving)] {
		s.Leaving = append(s.Leaving, ledger.Object(h.ID))
	}
	if len(left) > 0 && s.Reason == "" {
		s.Reason = fmt.Sprintf("not all of a former version is gone: %s: %s", left[0].ID, left[0].Reason)
		if more := len(left) - 1; more > 0 {
			s.Reason += fmt.Sprintf(", and %d more", more)
		}
	}
}

// undeleted returns what a former rollout was to delete and did not come to: the next one
// does. What only has to go away is not waited for again.
func (e *environment) undeleted(j *job) []manifest.Object {
	var out []manifest.Object
	for _, o := range j.leaving {
		if live, ok := e.cluster.Live.Get(manifest.ID(o)); ok && live.GetDeletionTimestamp() == nil {
			u := &unstructured.Unstructured{}
			u.SetGroupVersionKind(live.GroupVersionKind())
			u.SetNamespace(o.Namespace)
			u.SetName(o.Name)
			out = append(out, manifest.Object{Unstructured: u})
		}
	}
	return out
}
