package ledger

import (
	"cmp"
	"slices"
	"time"
)

// Moment is one line of an environment's history: a commit, or an act.
type Moment struct {
	Entry *Entry // nil for an act
	Act   *Act   // nil for a commit
}

// At is when it began.
func (m Moment) At() time.Time {
	if m.Entry != nil {
		return m.Entry.Started
	}
	return m.Act.At
}

// finishedAt is when it was over, as far as it is.
func (m Moment) finishedAt() time.Time {
	switch {
	case m.Act != nil:
		return cmp.Or(m.Act.Last, m.Act.At)
	case m.Entry.Finished != nil:
		return *m.Entry.Finished
	}
	return time.Unix(1<<60, 0)
}

// Story returns what became of an environment, newest first: its commits, and what was
// done without one, from since on, at the most limit lines of it. No limit is 0.
func (l *Ledger) Story(c Control, since time.Time, limit int) []Moment {
	var out []Moment
	for _, e := range l.Newest() {
		out = append(out, Moment{Entry: &e})
	}
	for _, a := range slices.Backward(slices.Concat(l.Acts, c.Acts)) {
		out = append(out, Moment{Act: &a})
	}
	slices.SortStableFunc(out, func(a, b Moment) int { return b.At().Compare(a.At()) })
	out = slices.DeleteFunc(out, func(m Moment) bool { return m.finishedAt().Before(since) })
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out
}
