// Package ledger is the stored memory of an environment: one verdict per commit, what its
// releases were like when the agent last looked, and what people asked for.
//
// It does not know how a verdict is reached, and renders and applies nothing: it reads
// and writes two ConfigMaps.
package ledger

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/source"
)

// Ledger is an environment's memory, oldest entry first. It is not safe for
// concurrent use.
type Ledger struct {
	Environment string  `json:"environment"`
	Namespace   string  `json:"namespace"`
	Repository  string  `json:"repository"`
	Branch      string  `json:"branch"`
	Applied     *Commit `json:"applied,omitempty"`
	// Began is the commit with which the ledger began: the oldest entries are not kept.
	Began string `json:"began,omitempty"`
	// Inputs tells the inputs of the newest entry from others of the same commit.
	Inputs   string    `json:"inputs,omitempty"`
	Entries  []Entry   `json:"entries"`
	Releases []Release `json:"releases,omitempty"`
	// Windows are when the last good commit allows deploys.
	Windows []config.WindowText `json:"windows,omitempty"`
	// HealthRules are the kinds for which the last good commit has rules of its own on
	// health; who has no checkout judges without them.
	HealthRules []string `json:"healthRules,omitempty"`
	// Away is there while git can't be had.
	Away *Away `json:"away,omitempty"`
	// Acts are corrections of drift and turns of health, oldest first; see Control for what people did.
	Acts []Act `json:"acts,omitempty"`
	// Outbox are events that were not written yet; see package report.
	Outbox []Message `json:"untold,omitempty"`

	// Damage says why what is stored can't be read: nothing but the environment's name is
	// known then.
	Damage string `json:"-"`
}

// Message is something that is told once, by an event and metrics.
type Message struct {
	ID     string `json:"id"`     // tells it from all others
	Kind   string `json:"kind"`   // Normal or Warning
	Reason string `json:"reason"` // one CamelCase word
	Text   string `json:"text"`
	// Verdict is set for a verdict that is counted; LeadSeconds is the time from the
	// commit to healthy, if it counts.
	Verdict     Verdict `json:"verdict,omitempty"`
	LeadSeconds float64 `json:"leadSeconds,omitempty"`
	// Counted says that it was counted, though its event could not be written.
	Counted bool `json:"counted,omitempty"`
}

// Head returns the newest entry, or nil.
func (l *Ledger) Head() *Entry {
	if len(l.Entries) == 0 {
		return nil
	}
	return &l.Entries[len(l.Entries)-1]
}

// Entry returns the newest entry of a commit, by its SHA-1 or the first seven
// characters or more of it; nil if there is none.
func (l *Ledger) Entry(commit string) *Entry {
	if i := l.index(commit); i >= 0 {
		return &l.Entries[i]
	}
	return nil
}

func (l *Ledger) index(commit string) int {
	for i, e := range slices.Backward(l.Entries) {
		if len(commit) >= 7 && strings.HasPrefix(e.Commit.Commit, commit) {
			return i
		}
	}
	return -1
}

// Open returns the entries before the newest whose rollouts have not ended, oldest
// first.
func (l *Ledger) Open() []*Entry {
	var out []*Entry
	for i := range l.Entries[:max(0, len(l.Entries)-1)] {
		if e := &l.Entries[i]; !e.Verdict.Final() {
			out = append(out, e)
		}
	}
	return out
}

// Begun returns the entry to which the rollout of a release to a digest belongs: the
// oldest one that asked for it and is not over, or else the newest.
func (l *Ledger) Begun(release, digest string) *Entry {
	for _, e := range l.Open() {
		if d, ok := e.Wants[release]; ok && d == ShortDigest(digest) {
			return e
		}
	}
	return l.Head()
}

// Pins returns what charts were resolved to, oldest first: for other commits, and for
// this one when it was the head before.
func (l *Ledger) Pins(commit string) (others, own []fetch.Pin) {
	for _, e := range l.Entries {
		if e.Commit.Commit == commit {
			own = append(own, e.Charts...)
		} else {
			others = append(others, e.Charts...)
		}
	}
	return others, own
}

// AddCommits enters commits, oldest first, of which the last is the branch's new
// head. All that had no final verdict are superseded by it, and so are the
// commits before it; but one whose rollouts are under way stays open: the new head
// may leave them as they are. It returns how many were superseded.
func (l *Ledger) AddCommits(commits []source.Commit, now time.Time) (superseded int) {
	if len(commits) == 0 {
		return 0
	}
	head := commits[len(commits)-1]
	if len(l.Entries) == 0 {
		l.Began = commits[0].SHA
	}
	if e := l.Head(); e != nil && e.Commit.Commit == head.SHA {
		return 0
	}
	by := fmt.Sprintf("superseded by %.7s", head.SHA)
	for i := range l.Entries {
		if e := &l.Entries[i]; !e.Verdict.Final() && (len(e.Wants) == 0 || e.Commit.Commit == head.SHA) {
			e.SetVerdict(Superseded, by, now)
			superseded++
		}
	}
	for _, c := range commits[:len(commits)-1] {
		e := Entry{Commit: commitOf(c), Started: now.UTC()}
		e.SetVerdict(Superseded, by, now)
		l.Entries = append(l.Entries, e)
		superseded++
	}
	l.Entries = append(l.Entries, Entry{Commit: commitOf(head), Verdict: Pending, Started: now.UTC()})
	l.Inputs = ""
	l.trim()
	return superseded
}

// Retrigger enters the newest commit once more, for what is done without a new one.
func (l *Ledger) Retrigger(trigger string, now time.Time) {
	l.Entries = append(l.Entries, Entry{Commit: l.Head().Commit, Verdict: Pending, Trigger: Shorten(trigger), Started: now.UTC()})
	l.trim()
}

// ReportedRevision returns the newest revision of a release that other entries of the same commit tell
// of: a commit that was tried again has its own outcome each time. It is 0 if none does.
func (l *Ledger) ReportedRevision(e *Entry, namespace, name string) int {
	newest := 0
	for i := range l.Entries {
		other := &l.Entries[i]
		if o := other.Outcome(namespace, name); other != e && o != nil && other.Commit.Commit == e.Commit.Commit {
			newest = max(newest, o.Revision)
		}
	}
	return newest
}

// Release returns what is known of a release; nil if it is not listed.
func (l *Ledger) Release(namespace, name string) *Release {
	i := slices.IndexFunc(l.Releases, func(r Release) bool { return r.Name == name && r.Namespace == namespace })
	if i < 0 {
		return nil
	}
	return &l.Releases[i]
}

// Known refuses the name of a release that the environment does not have.
func (l *Ledger) Known(release string) error {
	var names []string
	for _, r := range l.Releases {
		if r.Name == release {
			return nil
		}
		names = append(names, r.Name)
	}
	return fmt.Errorf("environment %s has no release %s: it has %s", l.Environment, release, strings.Join(names, ", "))
}

// BehindSince is since when git has asked for something that the environment is not:
// since the oldest commit came after the last one that was applied. It is zero if the
// environment is what git asks for.
func (l *Ledger) BehindSince() time.Time {
	var since time.Time
	for _, e := range slices.Backward(l.Entries) {
		if e.Verdict.Live() {
			break
		}
		since = e.Started
	}
	return since
}

// SecondsBehind is how long the environment has not been what git asks for.
func (l *Ledger) SecondsBehind(now time.Time) int64 {
	since := l.BehindSince()
	if since.IsZero() {
		return 0
	}
	return int64(now.Sub(since).Seconds())
}

// Newest returns the entries as they are shown: newest first.
func (l *Ledger) Newest() []Entry {
	out := slices.Clone(l.Entries)
	slices.Reverse(out)
	for i := range out {
		out[i] = *out[i].Public()
	}
	return out
}

// LeavingOf returns what a release's rollouts deleted and was not gone when it was looked
// at last.
func (l *Ledger) LeavingOf(namespace, name string) []Object {
	if r := l.Release(namespace, name); r != nil {
		return r.Leaving
	}
	return nil
}

// NextDeclineDue is when the next decline is to be told after a moment; zero if none is.
func (l *Ledger) NextDeclineDue(now time.Time) time.Time {
	var next time.Time
	for _, r := range l.Releases {
		if d := r.Decline; d != nil && d.Due.After(now) && (next.IsZero() || d.Due.Before(next)) {
			next = d.Due
		}
	}
	return next
}

// AddAct enters what was done.
func (l *Ledger) AddAct(a Act) { l.Acts = note(l.Acts, a) }

// Follow enters what a commit says of the environment as a whole.
func (l *Ledger) Follow(env *config.Environment) {
	l.Namespace, l.Windows, l.HealthRules = env.Namespace, nil, nil
	for _, w := range env.Windows {
		l.Windows = append(l.Windows, w.Text)
	}
	kinds := env.Health.Kinds()
	for _, k := range kinds[:min(len(kinds), maxRules)] {
		l.HealthRules = append(l.HealthRules, cut(k, maxKindName))
	}
}

// These bound the list of kinds that an environment has rules for.
const (
	maxRules    = 20
	maxKindName = 200
)
