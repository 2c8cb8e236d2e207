package why

import (
	"time"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/source"
)

// Commit is a commit, and when it went live.
type Commit struct {
	blame.CommitInfo
	// Verdict is the commit's, or that of the one which took its place; By is that one.
	Verdict ledger.Verdict `json:"verdict,omitempty"`
	By      string         `json:"by,omitempty"`
	Live    *time.Time     `json:"live,omitempty"`
}

// CommitsOf are a release's commits, with what became of them by the ledger; nil knows of none.
// A commit of a merged branch went live with the merge.
func CommitsOf(rel *blame.Release, l *ledger.Ledger) []Commit {
	merges := map[string]string{}
	for _, o := range rel.Objects {
		for _, field := range o.Fields {
			if field.Merge != "" {
				merges[field.Commit] = field.Merge
			}
		}
	}
	out := []Commit{}
	for _, told := range rel.Commits {
		one := Commit{CommitInfo: told}
		of := told.Commit
		if merge, ok := merges[of]; ok {
			of = merge
		}
		if e := WentLive(l, of); e != nil {
			one.Verdict = e.Verdict
			if e.Commit.Commit != told.Commit {
				one.By = e.Commit.Commit
			}
			if e.Verdict.Live() && e.Finished != nil {
				one.Live = e.Finished
			}
		}
		out = append(out, one)
	}
	return out
}

// WentLive is the entry with which a commit went live: the first one that did since it
// came; else the one that decides it. nil if the ledger does not know the commit, or is nil.
func WentLive(l *ledger.Ledger, commit string) *ledger.Entry {
	if l == nil {
		return nil
	}
	for i, e := range l.Entries {
		if e.Commit.Commit != commit {
			continue
		}
		for j := i; j < len(l.Entries); j++ {
			if l.Entries[j].Verdict.Live() {
				return &l.Entries[j]
			}
		}
	}
	return l.Decides(commit)
}

// History is a source's, as render/blame asks for it.
type History struct{ source.History }

// Commit returns a commit with what came before it.
func (h History) Commit(revision string) (*blame.Commit, error) {
	a, err := h.History.Commit(revision)
	if err != nil {
		return nil, err
	}
	return &blame.Commit{SHA: a.SHA, Subject: a.Subject, Author: a.Author, Time: a.Time, Parents: a.Parents, Cut: a.Cut, Files: a.Files}, nil
}
