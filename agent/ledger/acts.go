package ledger

import (
	"slices"
	"time"
)

// Act is something that was done about an environment without a commit: by a person who
// asked for it, or by the agent.
type Act struct {
	// Kind is pause, resume, sync, retry, confirm; unread for what was asked for and can't be
	// read; repair for drift that was put back; or unhealthy and recovered for the health of a
	// release that turned after its rollout.
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
	Unread    = "unread"
	Repaired  = "repair"
	Unhealthy = "unhealthy"
	Recovered = "recovered"
)

// Acts are kept within bounds: the newest ones, and of each text as much as fits a line.
const (
	maxActs    = 100
	maxActText = 512
	// maxHealthChanges bounds the acts about health: a release that comes and goes would push out
	// all else.
	maxHealthChanges = 40
)

// note adds an act to those before it. The same as the newest one again is counted: what
// is fought over would push out all else.
func note(acts []Act, a Act) []Act {
	a.At = a.At.UTC().Truncate(time.Second)
	a.By, a.Reason = cut(a.By, maxActText), cut(a.Reason, maxActText)
	if n := len(acts); n > 0 && a.Kind == Repaired {
		last := &acts[n-1]
		if last.Kind == a.Kind && last.Release == a.Release && last.Reason == a.Reason {
			last.Times, last.Last = max(last.Times, 1)+1, a.At
			return acts
		}
	}
	acts = append(acts, a)
	if changes := slices.DeleteFunc(slices.Clone(acts), func(a Act) bool { return !a.isHealthChange() }); len(changes) > maxHealthChanges {
		oldest := slices.IndexFunc(acts, Act.isHealthChange)
		acts = slices.Delete(slices.Clone(acts), oldest, oldest+1)
	}
	return slices.Clone(acts[max(0, len(acts)-maxActs):])
}

// isHealthChange reports whether an act says that the health of a release changed.
func (a Act) isHealthChange() bool { return a.Kind == Unhealthy || a.Kind == Recovered }
