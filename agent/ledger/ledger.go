// Package ledger keeps an environment's memory: one verdict per commit, what its
// releases were like when the agent last looked, and what people asked for.
//
// It does not know how a verdict is reached, renders and applies nothing: it reads
// and writes two ConfigMaps.
package ledger

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

// All lists the verdicts.
var All = [...]Verdict{Applied, NoOp, Failed, RolledBack, Superseded, Refused, Pending, Progressing, Held}

// Final reports whether a verdict stays.
func (v Verdict) Final() bool { return v != Pending && v != Progressing && v != Held }

// Stands reports whether looking again can't give the same commit another
// verdict. What was refused may be accepted later: by a cluster that has the CRD
// now, or to an account that has the permission.
func (v Verdict) Stands() bool { return v.Final() && v != Refused }

// Live reports whether a verdict means that the commit runs.
func (v Verdict) Live() bool { return v == Applied || v == NoOp }

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

// Outcome is what a commit did to one release.
type Outcome struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Action    string `json:"action"`
	Revision  int    `json:"revision"`
	Outcome   string `json:"outcome"`
	Reason    string `json:"reason"`
	// Undoes are the commits whose content a rollback took back, newest first.
	Undoes []string `json:"undoes,omitempty"`
}

// Repair is the action of an outcome that put drift back.
const Repair = "repair"

// of reports whether two outcomes are of the same release. Entries that were
// stored before outcomes named a namespace have none.
func (o Outcome) of(other Outcome) bool {
	return o.Name == other.Name && (o.Namespace == other.Namespace || o.Namespace == "" || other.Namespace == "")
}

// Tells reports whether an outcome says what became of a deploy: a repair is none,
// and one that was interrupted has not ended.
func (o Outcome) Tells() bool { return o.Action != Repair && o.Outcome != string(Progressing) }

// Entry is one commit's line in the ledger.
type Entry struct {
	Commit
	Verdict  Verdict    `json:"verdict"`
	Reason   string     `json:"reason"`
	Started  time.Time  `json:"started"`
	Finished *time.Time `json:"finished"` // null until the verdict is final
	Releases []Outcome  `json:"releases"`
	// Trigger is why the commit is carried out, if it is not for its coming alone: its
	// inputs changed or somebody asked for it, and it has an entry before this one; or
	// another repository is followed.
	Trigger string `json:"trigger,omitempty"`
	// Charts are what the commit's charts that lie elsewhere were resolved to.
	Charts []render.Pin `json:"charts,omitempty"`
	// Wants are the input digests, shortened, of the releases that the commit changes, by
	// "namespace/name", empty for one that it removes. They are kept until the verdict
	// is final: a newer commit with the same inputs leaves the rollout to this one.
	Wants map[string]string `json:"wants,omitempty"`
}

// Release is what the agent knows of a release beyond its records.
type Release struct {
	Name      string   `json:"name"`
	Namespace string   `json:"namespace"`
	Healthy   bool     `json:"healthy"`
	Reason    string   `json:"reason,omitempty"`
	BlockedBy []string `json:"blockedBy,omitempty"`
	DependsOn []string `json:"dependsOn,omitempty"`
	Drift     []Drift  `json:"drift,omitempty"`
	// MoreDrift is how many drifted fields are left out of Drift.
	MoreDrift int `json:"moreDrift,omitempty"`
	// Behind is since when the release is not what git asks for; zero if it is.
	Behind time.Time `json:"behind,omitzero"`
	// Leaving are objects that its rollouts deleted and that are not gone yet.
	Leaving []Object `json:"leaving,omitempty"`
	// Seen is the newest revision of its records when Healthy was found.
	Seen int `json:"seen,omitempty"`
	// Decline is there while the release is not healthy after its rollout.
	Decline *Decline `json:"decline,omitempty"`
}

// Drift is one field of one object that is not as it was applied.
type Drift struct {
	Object  string `json:"object"`
	Path    string `json:"path"`
	Want    string `json:"want"`
	Have    string `json:"have"`
	Manager string `json:"manager"`
	// Operation is the manager's: Apply or Update.
	Operation string `json:"operation,omitempty"`
	// Since is when the manager last wrote; left out if the API server does not say.
	Since time.Time `json:"since,omitzero"`
	// Refused says why the API server would not have it put back; left out if it would.
	Refused string `json:"refused,omitempty"`
	// Foreign says that a person's tool added the field beside what was applied.
	Foreign bool `json:"foreign,omitempty"`
}

// DriftOf returns a field of an object as the ledger shows it.
func DriftOf(object string, f drift.Field) Drift {
	return Drift{Object: object, Path: f.Path, Want: f.Want, Have: f.Have, Manager: f.Manager, Operation: f.Operation, Since: f.Since.UTC()}
}

// Ledger is an environment's memory, oldest entry first. It is not safe for
// concurrent use.
type Ledger struct {
	Environment string  `json:"environment"`
	Namespace   string  `json:"namespace"`
	Repository  string  `json:"repository"`
	Branch      string  `json:"branch"`
	Applied     *Commit `json:"applied,omitempty"`
	// Inputs tells the inputs of the newest entry from others of the same commit.
	Inputs   string    `json:"inputs,omitempty"`
	Entries  []Entry   `json:"entries"`
	Releases []Release `json:"releases,omitempty"`
	// Windows are when the last good commit allows deploys.
	Windows []render.WindowText `json:"windows,omitempty"`
	// HealthRules are the kinds for which the last good commit has rules of its own on
	// health; who has no checkout judges without them.
	HealthRules []string `json:"healthRules,omitempty"`
	// Away is there while git can't be had.
	Away *Away `json:"away,omitempty"`
	// Acts are corrections of drift, oldest first; see Control for what people did.
	Acts []Act `json:"acts,omitempty"`
	// Untold are events that were not written yet; see package report.
	Untold []Message `json:"untold,omitempty"`
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

// Begin enters that the commit changes a release to an input digest; an empty one says
// that it removes the release.
func (e *Entry) Begin(release, digest string) {
	if e.Wants == nil {
		e.Wants = map[string]string{}
	}
	e.Wants[release] = ShortDigest(digest)
}

// ShortDigest is as much of a digest as tells it from others of the same release: an environment
// may have thousands of releases, and the ledger is bounded.
func ShortDigest(digest string) string { return digest[:min(16, len(digest))] }

// Pins returns what charts were resolved to, oldest first: for other commits, and for
// this one when it was the head before.
func (l *Ledger) Pins(commit string) (others, own []render.Pin) {
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
// commits before it; but one whose rollouts are under way stays open: the new head
// may leave them as they are. It returns how many were superseded.
func (l *Ledger) Arrive(commits []source.Commit, now time.Time) (superseded int) {
	if len(commits) == 0 {
		return 0
	}
	head := commits[len(commits)-1]
	if e := l.Head(); e != nil && e.Commit.Commit == head.SHA {
		return 0
	}
	by := fmt.Sprintf("superseded by %.7s", head.SHA)
	for i := range l.Entries {
		if e := &l.Entries[i]; !e.Verdict.Final() && (len(e.Wants) == 0 || e.Commit.Commit == head.SHA) {
			e.Conclude(Superseded, by, now)
			superseded++
		}
	}
	for _, c := range commits[:len(commits)-1] {
		e := Entry{Commit: commitOf(c), Started: now.UTC()}
		e.Conclude(Superseded, by, now)
		l.Entries = append(l.Entries, e)
		superseded++
	}
	l.Entries = append(l.Entries, Entry{Commit: commitOf(head), Verdict: Pending, Started: now.UTC()})
	l.Inputs = ""
	l.trim()
	return superseded
}

// Again enters the newest commit once more, for what is done without a new one.
func (l *Ledger) Again(trigger string, now time.Time) {
	l.Entries = append(l.Entries, Entry{Commit: l.Head().Commit, Verdict: Pending, Trigger: Shorten(trigger), Started: now.UTC()})
	l.trim()
}

// Conclude gives the entry a verdict. The same one again changes nothing, so that
// looking again leaves no trace.
func (e *Entry) Conclude(v Verdict, reason string, now time.Time) {
	reason = Shorten(reason)
	if e.Verdict == v && e.Reason == reason {
		return
	}
	e.Verdict, e.Reason = v, reason
	e.Finished = nil
	if v.Final() {
		at := now.UTC()
		e.Finished, e.Wants = &at, nil
	}
}

// Outcome returns what became of a release; nil if nothing did.
func (e *Entry) Outcome(namespace, name string) *Outcome {
	i := slices.IndexFunc(e.Releases, Outcome{Namespace: namespace, Name: name}.of)
	if i < 0 {
		return nil
	}
	return &e.Releases[i]
}

// Told returns the newest revision of a release that other entries of the same commit tell
// of: a commit that was tried again has its own outcome each time. It is 0 if none does.
func (l *Ledger) Told(e *Entry, namespace, name string) int {
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
		out[i] = *out[i].Shown()
	}
	return out
}

// Shown returns an entry as it is shown: without what the agent keeps for itself, and
// with times to the second.
func (e Entry) Shown() *Entry {
	if e.Wants = nil; e.Releases == nil {
		e.Releases = []Outcome{}
	}
	e.Started = e.Started.Truncate(time.Second)
	if e.Finished != nil {
		at := e.Finished.Truncate(time.Second)
		e.Finished = &at
	}
	return &e
}

// Parse reads a stored ledger; no text is an empty one.
func Parse(text string) (*Ledger, error) {
	l := &Ledger{}
	if text == "" {
		return l, nil
	}
	if err := json.Unmarshal([]byte(text), l); err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return l, nil
}
