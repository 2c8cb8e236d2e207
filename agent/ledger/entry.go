package ledger

import (
	"slices"
	"strings"
	"time"

	"github.com/xetys/tether/render/fetch"
	"github.com/xetys/tether/source"
)

// Commit is a commit as the ledger and the command line show it.
type Commit struct {
	Commit  string    `json:"commit"`
	Subject string    `json:"subject"`
	Author  string    `json:"author"`
	Time    time.Time `json:"time"`
	// Reverts is the commit that this one says to revert.
	Reverts string `json:"reverts,omitempty"`
}

func commitOf(c source.Commit) Commit {
	return Commit{Commit: c.SHA, Subject: c.Subject, Author: c.Author, Time: c.Time.UTC(), Reverts: c.Reverts}
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
	// Log are the last lines that a container of a release which failed had written.
	Log []string `json:"log,omitempty"`
}

// Repair is the action of an outcome that put drift back.
const Repair = "repair"

// of reports whether two outcomes are of the same release. Entries that were
// stored before outcomes named a namespace have none.
func (o Outcome) of(other Outcome) bool {
	return o.Name == other.Name && (o.Namespace == other.Namespace || o.Namespace == "" || other.Namespace == "")
}

// EndsDeploy reports whether an outcome says what became of a deploy: a repair is none,
// and one that was interrupted has not ended.
func (o Outcome) EndsDeploy() bool { return o.Action != Repair && o.Outcome != string(Progressing) }

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
	Charts []fetch.Pin `json:"charts,omitempty"`
	// Wants are the input digests, shortened, of the releases that the commit changes, by
	// "namespace/name", empty for one that it removes. They are kept until the verdict
	// is final: a newer commit with the same inputs leaves the rollout to this one.
	Wants map[string]string `json:"wants,omitempty"`
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

// SetVerdict gives the entry a verdict. The same one again changes nothing, so that
// looking again leaves no trace.
func (e *Entry) SetVerdict(v Verdict, reason string, now time.Time) {
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

// Public returns an entry as it is shown: without what the agent keeps for itself, and
// with times to the second.
func (e Entry) Public() *Entry {
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

// Merge enters what became of releases: the last word on each counts, but
// drift that is put back does not wipe out what the commit did before. They are in the order
// of their names, whichever ended first.
func (e *Entry) Merge(outcomes ...Outcome) {
	for _, o := range outcomes {
		o.Reason = Shorten(o.Reason)
		i := slices.IndexFunc(e.Releases, o.of)
		switch {
		case i < 0:
			e.Releases = append(e.Releases, o)
		case o.Action != Repair || e.Releases[i].Action == Repair:
			e.Releases[i] = o
		}
	}
	slices.SortStableFunc(e.Releases, func(a, b Outcome) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
}

// Reverts returns what the commits of entries say to revert, by their IDs.
func Reverts(entries []Entry) map[string]string {
	out := map[string]string{}
	for _, e := range entries {
		if e.Commit.Reverts != "" {
			out[e.Commit.Commit] = e.Commit.Reverts
		}
	}
	return out
}

// Failures says which of the entry's releases failed or went back, and why.
func (e *Entry) Failures() []string {
	var out []string
	for _, o := range e.Releases {
		if v := Verdict(o.Outcome); v == Failed || v == RolledBack {
			out = append(out, o.Name+": "+o.Reason)
		}
	}
	return out
}
