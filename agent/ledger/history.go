package ledger

import (
	"cmp"
	"slices"
	"time"
)

// HistoryItem is one line of an environment's history: a commit, or an act.
type HistoryItem struct {
	Entry *Entry // nil for an act
	Act   *Act   // nil for a commit
}

// At is when it began.
func (m HistoryItem) At() time.Time {
	if m.Entry != nil {
		return m.Entry.Started
	}
	return m.Act.At
}

// finishedAt is when it was over, as far as it is.
func (m HistoryItem) finishedAt() time.Time {
	switch {
	case m.Act != nil:
		return cmp.Or(m.Act.Last, m.Act.At)
	case m.Entry.Finished != nil:
		return *m.Entry.Finished
	}
	return time.Unix(1<<60, 0)
}

// History returns what became of an environment, newest first: its commits, and what was
// done without one, from since on, at the most limit lines of it. No limit is 0.
func (l *Ledger) History(c Control, since time.Time, limit int) []HistoryItem {
	var out []HistoryItem
	for _, e := range l.Newest() {
		out = append(out, HistoryItem{Entry: &e})
	}
	for _, a := range slices.Backward(slices.Concat(l.Acts, c.Acts)) {
		out = append(out, HistoryItem{Act: &a})
	}
	slices.SortStableFunc(out, func(a, b HistoryItem) int { return b.At().Compare(a.At()) })
	out = slices.DeleteFunc(out, func(m HistoryItem) bool { return m.finishedAt().Before(since) })
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out
}
