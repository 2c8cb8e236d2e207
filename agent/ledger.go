package agent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/drift"
	"github.com/xetys/tether/render"
	"github.com/xetys/tether/source"
)

// Verdict is what became of a commit in an environment.
type Verdict string

// The verdicts. The last three are not final.
const (
	Applied     Verdict = "applied"
	NoOp        Verdict = "no-op"
	Failed      Verdict = "failed"
	RolledBack  Verdict = "rolled-back"
	Superseded  Verdict = "superseded"
	Refused     Verdict = "refused"
	Pending     Verdict = "pending"
	Progressing Verdict = "progressing"
	Held        Verdict = "held"
)

// Final reports whether a verdict stays.
func (v Verdict) Final() bool { return v != Pending && v != Progressing && v != Held }

// stands reports whether looking again can't give the same commit another
// verdict. What was refused may be accepted later: by a cluster that has the CRD
// now, or to an account that has the permission.
func (v Verdict) stands() bool { return v.Final() && v != Refused }

// Commit is a commit as the ledger and the command line show it.
type Commit struct {
	Commit  string    `json:"commit"`
	Subject string    `json:"subject"`
	Author  string    `json:"author"`
	Time    time.Time `json:"time"`
}

func commitOf(c source.Commit) Commit {
	return Commit{Commit: c.SHA, Subject: c.Subject, Author: c.Author, Time: c.Time.UTC()}
}

// ReleaseOutcome is what a commit did to one release.
type ReleaseOutcome struct {
	Name     string `json:"name"`
	Action   string `json:"action"`
	Revision int    `json:"revision"`
	Outcome  string `json:"outcome"`
	Reason   string `json:"reason"`
}

// Entry is one commit's line in the ledger.
type Entry struct {
	Commit
	Verdict  Verdict          `json:"verdict"`
	Reason   string           `json:"reason"`
	Started  time.Time        `json:"started"`
	Finished *time.Time       `json:"finished"` // null until the verdict is final
	Releases []ReleaseOutcome `json:"releases"`
	// Trigger is why the commit is carried out, if it is not for its coming alone: its
	// inputs changed or somebody asked for it, and it has an entry before this one; or
	// another repository is followed.
	Trigger string `json:"trigger,omitempty"`
	// Charts are what the commit's charts that lie elsewhere were resolved to.
	Charts []render.Pin `json:"charts,omitempty"`
}

// ReleaseState is what the agent knows of a release beyond its records.
type ReleaseState struct {
	Name      string        `json:"name"`
	Namespace string        `json:"namespace"`
	Healthy   bool          `json:"healthy"`
	Reason    string        `json:"reason,omitempty"`
	BlockedBy []string      `json:"blockedBy,omitempty"`
	DependsOn []string      `json:"dependsOn,omitempty"`
	Drift     []ObjectDrift `json:"drift,omitempty"`
}

// ObjectDrift is one field of one object that is not as it was applied.
type ObjectDrift struct {
	Object  string `json:"object"`
	Path    string `json:"path"`
	Want    string `json:"want"`
	Have    string `json:"have"`
	Manager string `json:"manager"`
	// Operation is the manager's: Apply or Update.
	Operation string    `json:"operation,omitempty"`
	Since     time.Time `json:"since"`
	// Foreign says that a person's tool added the field beside what was applied.
	Foreign bool `json:"foreign,omitempty"`
}

func objectDrift(object string, f drift.Field) ObjectDrift {
	return ObjectDrift{Object: object, Path: f.Path, Want: f.Want, Have: f.Have, Manager: f.Manager, Operation: f.Operation, Since: f.Since.UTC()}
}

// Ledger is an environment's memory: one verdict per commit, oldest first, and
// what its releases were like when the agent last looked.
type Ledger struct {
	Environment string  `json:"environment"`
	Namespace   string  `json:"namespace"`
	Repository  string  `json:"repository"`
	Branch      string  `json:"branch"`
	Applied     *Commit `json:"applied,omitempty"`
	// Inputs tells the inputs of the newest entry from others of the same commit.
	Inputs   string         `json:"inputs,omitempty"`
	Entries  []Entry        `json:"entries"`
	Releases []ReleaseState `json:"releases,omitempty"`
}

// The ledger's bounds: a ConfigMap holds 1 MiB, of which metadata and escaping
// need their share.
const (
	maxEntries = 200
	maxBytes   = 900 << 10
)

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

// pins returns what charts were resolved to, oldest first: for other commits, and for
// this one when it was the head before.
func (l *Ledger) pins(commit string) (others, own []render.Pin) {
	for _, e := range l.Entries {
		if e.Commit.Commit == commit {
			own = append(own, e.Charts...)
		} else {
			others = append(others, e.Charts...)
		}
	}
	return others, own
}

// Arrive enters commits, oldest first, of which the last is the branch's new
// head. All that had no final verdict are superseded by it, and so are the
// commits before it.
func (l *Ledger) Arrive(commits []source.Commit, now time.Time) {
	if len(commits) == 0 {
		return
	}
	head := commits[len(commits)-1]
	if e := l.Head(); e != nil && e.Commit.Commit == head.SHA {
		return
	}
	by := fmt.Sprintf("superseded by %.7s", head.SHA)
	for i := range l.Entries {
		if e := &l.Entries[i]; !e.Verdict.Final() {
			e.conclude(Superseded, by, now)
		}
	}
	for _, c := range commits[:len(commits)-1] {
		e := Entry{Commit: commitOf(c), Started: now.UTC()}
		e.conclude(Superseded, by, now)
		l.Entries = append(l.Entries, e)
	}
	l.Entries = append(l.Entries, Entry{Commit: commitOf(head), Verdict: Pending, Started: now.UTC()})
	l.Inputs = ""
	l.trim()
}

// Again enters the newest commit once more, for what is done without a new one.
func (l *Ledger) Again(trigger string, now time.Time) {
	l.Entries = append(l.Entries, Entry{Commit: l.Head().Commit, Verdict: Pending, Trigger: trigger, Started: now.UTC()})
	l.trim()
}

// conclude gives the entry a verdict. The same one again changes nothing, so that
// looking again leaves no trace.
func (e *Entry) conclude(v Verdict, reason string, now time.Time) {
	reason = shortened(reason)
	if e.Verdict == v && e.Reason == reason {
		return
	}
	e.Verdict, e.Reason = v, reason
	e.Finished = nil
	if v.Final() {
		at := now.UTC()
		e.Finished = &at
	}
}

// Merge enters what a pass did to releases: the last word on each counts, but
// drift that is put back does not wipe out what the commit did before.
func (e *Entry) Merge(outcomes []ReleaseOutcome) {
	for _, o := range outcomes {
		o.Reason = shortened(o.Reason)
		i := slices.IndexFunc(e.Releases, func(r ReleaseOutcome) bool { return r.Name == o.Name })
		switch {
		case i < 0:
			e.Releases = append(e.Releases, o)
		case o.Action != string(Repair) || e.Releases[i].Action == string(Repair):
			e.Releases[i] = o
		}
	}
}

// longestReason bounds a reason in bytes: it may quote what a repository holds, and
// the ledger has to be written whatever that is.
const longestReason = 4 << 10

func shortened(reason string) string {
	if len(reason) <= longestReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:longestReason], "") + "… (cut off; tether validate says it all)"
}

func (l *Ledger) trim() {
	if n := len(l.Entries) - maxEntries; n > 0 {
		l.Entries = slices.Clone(l.Entries[n:])
	}
}

// Text returns the ledger as it is stored, without the oldest entries if it
// would be too large with them.
func (l *Ledger) Text() (string, error) {
	for {
		raw, err := json.Marshal(l)
		if err != nil {
			return "", fmt.Errorf("encode the ledger of %s: %w", l.Environment, err)
		}
		if len(raw) <= maxBytes || len(l.Entries) <= 1 {
			return string(raw), nil
		}
		l.Entries = l.Entries[max(1, len(l.Entries)/10):]
	}
}

// ParseLedger reads a stored ledger; no text is an empty one.
func ParseLedger(text string) (*Ledger, error) {
	l := &Ledger{}
	if text == "" {
		return l, nil
	}
	if err := json.Unmarshal([]byte(text), l); err != nil {
		return nil, fmt.Errorf("read the ledger: %w; delete its ConfigMap to begin a new one", err)
	}
	return l, nil
}

// Newest returns the entries as they are shown: newest first.
func (l *Ledger) Newest() []Entry {
	out := slices.Clone(l.Entries)
	slices.Reverse(out)
	for i := range out {
		if out[i].Releases == nil {
			out[i].Releases = []ReleaseOutcome{}
		}
	}
	return out
}
