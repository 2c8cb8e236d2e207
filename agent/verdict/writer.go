// Package verdict writes an environment's ledger: it adds heads and the outcomes of rollouts,
// sets verdicts, stores the ledger, and has it reported.
//
// It does not know how a commit is read, assessed or rolled out, and asks git for nothing.
package verdict

import (
	"context"
	"errors"
	"fmt"

	"github.com/xetys/tether/agent/assess"
	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
	"github.com/xetys/tether/agent/retry"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/source"
)

var (
	// ErrRefused says that the head was refused; its verdict says why.
	ErrRefused = errors.New("the commit is refused")
	// ErrAway says that the head needs what can't be had now; its verdict says what.
	ErrAway = errors.New("the commit can't be read to its end")
)

// Writer has the ledger of one environment, and is the only one that changes it. It is for the
// loop alone, but for Stored and what Messages say.
type Writer struct {
	*assess.Site
	Messages
	Stored  Stored
	Retries *retry.Retries
	Ledger  *ledger.Ledger // nil before it was read

	Repository string // that is followed, to be shown
	Ref        source.Ref

	trigger string // why the next new head is deployed, besides its coming
}

// Clear drops all that is known of the ledger: another leader may have written it.
func (w *Writer) Clear() {
	w.Messages.clear()
	w.Stored.clear()
	w.Ledger, w.Retries, w.trigger = nil, retry.New(), ""
}

// Read reads the ledger, and returns what people asked for. A ledger that can't be read is set
// aside, and a new one begun: all that the environment needs to go on stands in git, in records
// and in the cluster. It reports what a crash kept from being reported.
func (w *Writer) Read(ctx context.Context) (ledger.Control, error) {
	doc, err := w.Cluster.ReadDocument(ctx, ledger.Document(w.Environment, w.Home))
	if err != nil {
		return ledger.Control{}, err
	}
	control, err := ledger.ReadControl(ctx, w.Cluster, w.Home)
	if err != nil {
		return ledger.Control{}, err
	}
	l, err := ledger.Parse(doc.Text)
	if err != nil {
		if l, err = w.setAside(ctx, doc, err); err != nil {
			return ledger.Control{}, err
		}
	}
	w.Stored.set(doc, doc.Text)
	w.Ledger = l
	w.trigger = w.follow(ctx)
	w.Reporter.Deliver(ctx, w.Ledger)
	return control, nil
}

func (w *Writer) setAside(ctx context.Context, doc kube.Document, why error) (*ledger.Ledger, error) {
	aside, err := ledger.SetAside(ctx, w.Cluster, ledger.DamagedDocument(w.Environment, w.Home), doc.Text)
	if err != nil {
		return nil, err
	}
	w.Stored.set(doc, "")
	w.Log.Error("the ledger is damaged; it is kept in another ConfigMap, and a new one is begun", "error", why, "configmap", aside.Namespace+"/"+aside.Name)
	w.Reporter.Event(ctx, "Warning", "Ledger", fmt.Sprintf("%v: it is kept in ConfigMap %s, and a new one is begun", why, aside.Name))
	return &ledger.Ledger{}, nil
}

// SetControlAside keeps what people asked for and can't be read in another ConfigMap. Where that
// fails it says so, and the environment goes on, paused, by what could be read.
func (w *Writer) SetControlAside(ctx context.Context) {
	unread, err := ledger.SetControlAside(ctx, w.Cluster, w.Home, w.Now())
	aside := ledger.UnreadControlDocument(w.Environment, w.Home)
	switch {
	case err != nil:
		w.Log.Warn("what people asked for can't be read, nor set aside", "error", err)
	case unread != "":
		w.Log.Error("what people asked for can't be read; it is kept in another ConfigMap", "error", unread, "configmap", aside.Namespace+"/"+aside.Name)
		w.Reporter.Event(ctx, "Warning", "Control", fmt.Sprintf("what people asked for can't be read (%s): it is kept in ConfigMap %s; where it may have held a pause, the environment is paused until somebody resumes", unread, aside.Name))
	}
}

// follow enters what the environment follows. It reports, and returns a text, if it followed
// another repository before.
func (w *Writer) follow(ctx context.Context) string {
	l, was, is := w.Ledger, w.Ledger.Repository, w.Repository
	l.Environment, l.Repository, l.Branch = w.Environment, is, string(w.Ref)
	if was == "" || was == is {
		return ""
	}
	text := fmt.Sprintf("it follows another repository now: %s instead of %s", is, was)
	w.Log.Warn(text)
	w.Reporter.Event(ctx, "Warning", "Repository", text)
	return text
}

// maxSuperseded bounds how many commits that came at once are entered.
const maxSuperseded = 200

// RecordHead enters the head, and the commits between it and the last one, and reports whether it is
// new. between lists at most so many commits from one to another, with the latter.
func (w *Writer) RecordHead(head source.Commit, between func(from, to string, most int) ([]source.Commit, error)) bool {
	trigger := w.trigger
	w.trigger = ""
	last := w.Ledger.Head()
	if last != nil && last.Commit.Commit == head.SHA {
		return false
	}
	commits := []source.Commit{head}
	if last != nil {
		if all, err := between(last.Commit.Commit, head.SHA, maxSuperseded); err == nil && len(all) > 0 {
			commits = all
		}
	}
	w.Reporter.Superseded(w.Ledger.AddCommits(commits, w.Now()))
	w.Ledger.Head().Trigger = trigger
	w.Log.Info("new head", "commit", fmt.Sprintf("%.7s", head.SHA), "subject", head.Subject, "author", head.Author)
	return true
}

// Store stores the ledger, if it is another than is stored.
func (w *Writer) Store(ctx context.Context) error {
	text, err := w.Ledger.Text()
	doc, before := w.Stored.current()
	if err != nil || text == before {
		return err
	}
	if doc.Version == "" && before != "" {
		if doc, err = w.Cluster.ReadDocument(ctx, doc); err != nil {
			return err
		}
	}
	doc.Text = text
	written, err := w.Cluster.WriteDocument(ctx, doc)
	if err != nil {
		// It may have been written all the same, or changed by a person: the next try
		// reads its version anew.
		written, text = doc, "?"
		written.Version = ""
	}
	w.Stored.set(written, text)
	return err
}

// TryStore stores the ledger, and only logs when that fails: a later write stores it, or fails.
func (w *Writer) TryStore(ctx context.Context) {
	if err := w.Store(ctx); err != nil {
		w.Log.Warn("the ledger can't be written", "error", err)
	}
}

// Publish stores the ledger, and has reported what it says is not reported.
func (w *Writer) Publish(ctx context.Context) error {
	w.Reporter.Delivered(w.Ledger.Entries)
	if err := w.Store(ctx); err != nil {
		return err
	}
	if w.Reporter.Deliver(ctx, w.Ledger) {
		return w.Store(ctx)
	}
	return nil
}

// SetAway stores whether git can be had. Where the ledger was not read yet, for want of a commit,
// it enters why there is none into what is stored.
func (w *Writer) SetAway(ctx context.Context, away *ledger.Away) error {
	if w.Ledger != nil {
		w.Ledger.Away = away
		return w.Store(ctx)
	}
	if away == nil {
		return nil
	}
	doc, err := w.Cluster.ReadDocument(ctx, ledger.Document(w.Environment, w.Home))
	if err != nil || doc.Version == "" {
		return err
	}
	l, err := ledger.Parse(doc.Text)
	if err != nil {
		return nil // it is set aside when there is a commit
	}
	if l.Away != nil && *l.Away == *away {
		return nil
	}
	l.Away = away
	if doc.Text, err = l.Text(); err == nil {
		_, err = w.Cluster.WriteDocument(ctx, doc)
	}
	return err
}

// SetVerdict gives an entry a verdict, and has it reported if it is another than before.
func (w *Writer) SetVerdict(entry *ledger.Entry, v ledger.Verdict, why string) {
	before, reason, now := entry.Verdict, entry.Reason, w.Now()
	entry.SetVerdict(v, w.Veil.Text(why), now)
	if entry.Verdict.Live() {
		c := entry.Commit
		w.Ledger.Applied = &c
	}
	if entry.Verdict != before || entry.Reason != reason {
		w.Reporter.Verdict(w.Ledger, entry, now)
	}
}

// Undecided stores why there is no verdict on the head yet: git or the cluster could not be
// read.
func (w *Writer) Undecided(ctx context.Context, err error) {
	head := w.Ledger.Head()
	if head.Verdict.Final() || ctx.Err() != nil {
		return
	}
	head.SetVerdict(ledger.Pending, w.Veil.Text(err.Error()), w.Now())
	w.TryStore(ctx)
}

// Postpone has a release tried again later.
func (w *Writer) Postpone(key observed.Key, err error) {
	if in := w.Retries.Postpone(key, err, w.Now()); in > 0 {
		w.Log.Warn("will try again", "release", key.Name, "error", err, "in", retry.Rounded(in))
	}
}

// Reopen gives the head another entry, if it had its verdict, since its inputs are others than
// before without a new commit.
func (w *Writer) Reopen(inputs, why string) {
	before := w.Ledger.Inputs
	w.Ledger.Inputs = inputs
	head := w.Ledger.Head()
	if before == "" || before == inputs || head == nil || !head.Verdict.Stands() {
		return
	}
	w.Ledger.Retrigger(why, w.Now())
	w.Retries.Clear()
	w.Log.Info("inputs changed without a commit", "commit", fmt.Sprintf("%.7s", head.Commit.Commit), "reason", why)
}
