package rollout

import (
	"context"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/apply/record"
	"github.com/xetys/tether/render/manifest"
)

// trimRecords deletes the records beyond those that a release keeps.
func (x *recorder) trimRecords(ctx context.Context, j *run) error {
	left, err := x.records.Trim(ctx, j.State.History, x.HistoryMax)
	x.remember(j, left)
	if err != nil {
		return err
	}
	return x.trimAttempts(ctx, j)
}

// trimAttempts deletes records of rollouts that failed one after the other, beyond those that
// a release keeps: of each that brought nothing which is there and no other record tells
// of.
func (x *recorder) trimAttempts(ctx context.Context, j *run) error {
	spent := record.ExpendableAttempts(j.State.History, x.HistoryMax)
	if len(spent) == 0 {
		return nil
	}
	told, objects := map[manifest.ID]int{}, map[*record.Record][]manifest.Object{} // how many records tell of each object
	for _, r := range j.State.History.Intended() {
		rel, err := x.surveyor.ManifestOf(ctx, r, x.cluster.Namespaced)
		if record.Unreadable(err) {
			x.remember(j, record.SetAside(j.State.History, err))
			continue
		}
		if err != nil {
			return err
		}
		objects[r] = rel.Objects
		for id := range assess.IDSet(rel.Objects) {
			told[id]++
		}
	}
	for _, r := range spent {
		if len(j.State.History) <= x.HistoryMax {
			return nil
		}
		alone := []manifest.Object{}
		for _, o := range objects[r] {
			if told[o.ID()] == 1 {
				alone = append(alone, o)
			}
		}
		if there, err := x.cluster.AnyThere(ctx, alone); err != nil || there || objects[r] == nil {
			if err != nil {
				return err
			}
			continue
		}
		if err := x.records.Delete(ctx, r); err != nil {
			return err
		}
		x.remember(j, j.State.History.Without(r))
		for id := range assess.IDSet(objects[r]) {
			told[id]--
		}
	}
	return nil
}
