package ledger

import (
	"cmp"
	"slices"
	"time"
)

// Act is something that was done about an environment without a commit: by a person who
// asked for it, or by the agent.
type Act struct {
	// Kind is pause, resume, sync, retry, confirm, or repair for drift that was put back.
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	// By is who asked, as they say; empty for what the agent did by itself.
	By      string `json:"by,omitempty"`
	Release string `json:"release,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// Commit is the one whose deletions were confirmed.
	Commit string `json:"commit,omitempty"`
	// Until is when a pause ends.
	Until time.Time `json:"until,omitzero"`
	// Times is how often the same was done in a row, if more than once; Last is when last.
	Times int       `json:"times,omitempty"`
	Last  time.Time `json:"last,omitzero"`
}

// The kinds of acts.
const (
	Paused    = "pause"
	Resumed   = "resume"
	Synced    = "sync"
	Retried   = "retry"
	Confirmed = "confirm"
	Repaired  = "repair"
)

// Acts are kept within bounds: the newest ones, and of each text as much as fits a line.
const (
	mostActs   = 100
	longestAct = 512
)

// note adds an act to those before it. The same as the newest one again is counted: what
// is fought over would push out all else.
func note(acts []Act, a Act) []Act {
	a.At = a.At.UTC().Truncate(time.Second)
	a.By, a.Reason = cut(a.By, longestAct), cut(a.Reason, longestAct)
	if n := len(acts); n > 0 && a.Kind == Repaired {
		last := &acts[n-1]
		if last.Kind == a.Kind && last.Release == a.Release && last.Reason == a.Reason {
			last.Times, last.Last = max(last.Times, 1)+1, a.At
			return acts
		}
	}
	acts = append(acts, a)
	return slices.Clone(acts[max(0, len(acts)-mostActs):])
}

// Note enters what was done.
func (l *Ledger) Note(a Act) { l.Acts = note(l.Acts, a) }

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

// ended is when it was over, as far as it is.
func (m Moment) ended() time.Time {
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
	out = slices.DeleteFunc(out, func(m Moment) bool { return m.ended().Before(since) })
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out
}
