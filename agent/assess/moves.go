package assess

import (
	"context"
	"fmt"
	"strings"

	"github.com/xetys/tether/agent/decide"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/apply/plan"
	"github.com/xetys/tether/render/manifest"
)

// coming is what the whole commit brings about.
func (a *Surveyor) coming(ctx context.Context, l *Commit, jobs []*Release) plan.Provisions {
	var all []manifest.Object
	for _, j := range jobs {
		all = append(all, j.want...)
		if j.Manifest != nil {
			all = append(all, plan.BroughtBefore(j.Manifest.Hooks)...)
		}
	}
	c := plan.ProvisionsOf(all, l.spaces...)
	c.Confirmed = a.Confirmed == l.SHA
	c.Moves = a.Moves(ctx, jobs)
	return c
}

// Moves says which objects the commit takes from one release to another.
func (a *Surveyor) Moves(ctx context.Context, jobs []*Release) plan.Moves {
	m := plan.Moves{Owners: map[manifest.ID]string{}, Changing: map[string]bool{}, Gone: a.isGone, Lists: listing(ctx, a), Holder: a.Observed.Baselines.Holder}
	for _, j := range jobs {
		if !j.Changes() {
			continue
		}
		m.Changing[j.Key.String()] = true
		for _, id := range j.IDs {
			m.Owners[id] = j.Key.String()
		}
	}
	takenByHooks(m, jobs)
	return m
}

// isGone reports whether a release, "namespace/name", is not in the cluster any more, as
// far as the records of its namespace are known.
func (a *Surveyor) isGone(release string) bool {
	namespace, name, _ := strings.Cut(release, "/")
	return a.Observed.Histories.Known(namespace) && len(a.Observed.Histories.History(observed.Key{Namespace: namespace, Name: name}).Intended()) == 0
}

// listing returns what reports whether a release, "namespace/name", lists an object by what its
// records intend. One whose records can't be read may list anything.
func listing(ctx context.Context, a *Surveyor) func(string, manifest.ID) bool {
	return func(release string, id manifest.ID) bool {
		namespace, name, _ := strings.Cut(release, "/")
		if key := (observed.Key{Namespace: namespace, Name: name}); !a.Observed.Histories.Known(namespace) || a.Rolling(key) {
			return true // what it lists is being written
		}
		for _, r := range a.Observed.Histories.History(observed.Key{Namespace: namespace, Name: name}).Intended() {
			rel, err := a.ManifestOf(ctx, r, a.Cluster.Namespaced)
			if err != nil || IDSet(rel.Objects)[id] || hookIDs(rel.Hooks)[id] {
				return true
			}
		}
		return false
	}
}

// takenByHooks enters into moves what a hook of one release alone makes from now on.
func takenByHooks(m plan.Moves, jobs []*Release) {
	takers := map[manifest.ID][]string{}
	for _, j := range jobs {
		if j.Changes() && j.Manifest != nil {
			for id := range hookIDs(j.Manifest.Hooks) {
				takers[id] = append(takers[id], j.Key.String())
			}
		}
	}
	for id, by := range takers {
		if m.Owners[id] == "" && len(by) == 1 {
			m.Owners[id] = by[0]
		}
	}
}

// duplicates finds objects that two releases would both own. One that a held release still
// has, though git may not list it there any more, is no mistake of the commit: the release that
// is to have it is left as it is until then.
func (a *Surveyor) duplicates(jobs []*Release) []string {
	owner := map[manifest.ID]*Release{}
	var out []string
	for _, j := range jobs {
		for _, id := range a.owned(j) {
			other := owner[id]
			if owner[id] = j; other == nil || plan.StageOf(id.GroupKind()) == plan.StageDefinitions {
				continue
			}
			if !waitsForTakeover(id, j, other) && !waitsForTakeover(id, other, j) {
				out = append(out, fmt.Sprintf("%s of release %s is also in release %s: take it out of one", id, j.Spec.Name, other.Spec.Name))
			}
		}
	}
	return out
}

// owned are the objects that a release has, or is to have.
func (a *Surveyor) owned(j *Release) []manifest.ID {
	if h := a.Observed.Baselines.Of(j.Key); j.Manifest == nil && h != nil {
		return h.IDs
	}
	return j.IDs
}

// waitsForTakeover keeps the taker as it is, if the holder of one of its new objects is held. A
// rollout of the taker that has begun with that object can't continue.
func waitsForTakeover(id manifest.ID, taker, holder *Release) bool {
	if holder.Decision.Act != decide.Hold || !taker.Changes() && taker.State.Frozen == "" && taker.State.Blocked == "" {
		return false
	}
	why := fmt.Sprintf("%s is in release %s, too, which is held (%s): it is taken over once %s gives it up", id, holder.Spec.Name, holder.Decision.Reason, holder.Spec.Name)
	taker.wanted = wanted{}
	if taker.Decision.Act == decide.Resume {
		taker.State.Blocked = why
		taker.decide()
	} else if taker.State.Blocked == "" {
		taker.KeepCurrent(why)
	}
	return true
}
