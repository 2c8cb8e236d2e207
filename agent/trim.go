package agent

import (
	"context"

	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// trimRecords deletes the records beyond those that a release keeps.
func (e *environment) trimRecords(ctx context.Context, j *job) error {
	left, err := e.cluster.Records.Trim(ctx, j.state.History, e.agent.opts.HistoryMax)
	e.remember(j, left)
	if err != nil {
		return err
	}
	return e.trimSpent(ctx, j)
}

// trimSpent deletes records of rollouts that failed one after the other, beyond those that
// a release keeps: of each that brought nothing which is there and no other record tells
// of.
func (e *environment) trimSpent(ctx context.Context, j *job) error {
	spent := j.state.History.Spent(e.agent.opts.HistoryMax)
	if len(spent) == 0 {
		return nil
	}
	told, objects := map[manifest.ID]int{}, map[*record.Record][]manifest.Object{} // how many records tell of each object
	for _, r := range j.state.History.Intended() {
		rel, err := e.manifestOf(ctx, r, e.cluster.Namespaced)
		if record.Unreadable(err) {
			continue
		}
		if err != nil {
			return err
		}
		objects[r] = rel.Objects
		for id := range idSet(rel.Objects) {
			told[id]++
		}
	}
	for _, r := range spent {
		if len(j.state.History) <= e.agent.opts.HistoryMax {
			return nil
		}
		alone := []manifest.Object{}
		for _, o := range objects[r] {
			if told[o.ID()] == 1 {
				alone = append(alone, o)
			}
		}
		if there, err := e.cluster.AnyThere(ctx, alone); err != nil || there || objects[r] == nil {
			if err != nil {
				return err
			}
			continue
		}
		if err := e.cluster.Records.Delete(ctx, r); err != nil {
			return err
		}
		e.remember(j, j.state.History.Without(r))
		for id := range idSet(objects[r]) {
			told[id]--
		}
	}
	return nil
}

func idSet(objects []manifest.Object) map[manifest.ID]bool {
	out := make(map[manifest.ID]bool, len(objects))
	for _, o := range objects {
		out[o.ID()] = true
	}
	return out
}
