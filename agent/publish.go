package agent

import (
	"context"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/observed"
)

// store writes the ledger if it is not what is stored.
func (e *environment) store(ctx context.Context) error {
	text, err := e.ledger.Text()
	doc, before := e.stored.current()
	if err != nil || text == before {
		return err
	}
	if doc.Version == "" && before != "" {
		if doc, err = e.Cluster.ReadDocument(ctx, doc); err != nil {
			return err
		}
	}
	doc.Text = text
	written, err := e.Cluster.WriteDocument(ctx, doc)
	if err != nil {
		// It may have been written all the same, or touched by a person: the next
		// try reads its version anew.
		written, text = doc, "?"
		written.Version = ""
	}
	e.stored.set(written, text)
	return err
}

// tellAway enters into the ledger whether git can be had.
func tellAway(ctx context.Context, e *environment) error {
	if e.ledger == nil {
		return nil
	}
	e.ledger.Away = e.agent.awayNow()
	return e.store(ctx)
}

// tellAwayUnread enters into a ledger that was not read yet, for want of a commit, why there
// is none.
func tellAwayUnread(ctx context.Context, e *environment) error {
	away := e.agent.awayNow()
	if away == nil || e.ledger != nil {
		return nil
	}
	doc, err := e.Cluster.ReadDocument(ctx, ledger.Document(e.Environment, e.agent.opts.Namespace))
	if err != nil || doc.Version == "" {
		return err
	}
	l, err := ledger.Parse(doc.Text)
	if err != nil {
		return nil // it is put aside when there is a commit
	}
	if l.Away != nil && *l.Away == *away {
		return nil
	}
	l.Away = away
	if doc.Text, err = l.Text(); err == nil {
		_, err = e.Cluster.WriteDocument(ctx, doc)
	}
	return err
}

// publishVerdicts stores the ledger, and has what it says is untold told.
func (e *environment) publishVerdicts(ctx context.Context) error {
	e.agent.metrics.Delivered(e.Environment, e.ledger.Entries)
	if err := e.store(ctx); err != nil {
		return err
	}
	if e.reporter.Deliver(ctx, e.ledger) {
		return e.store(ctx)
	}
	return nil
}

// give gives an entry a verdict, and has it told if it is another than before.
func (e *environment) give(entry *ledger.Entry, v ledger.Verdict, why string) {
	before, reason, now := entry.Verdict, entry.Reason, e.Now()
	entry.Conclude(v, e.Veil.Text(why), now)
	if entry.Verdict.Live() {
		c := entry.Commit
		e.ledger.Applied = &c
	}
	if entry.Verdict != before || entry.Reason != reason {
		e.reporter.Verdict(e.ledger, entry, now)
	}
}

// undecided says in the ledger why there is no verdict on the head yet: git or
// the cluster could not be read.
func (e *environment) undecided(ctx context.Context, err error) {
	head := e.ledger.Head()
	if head.Verdict.Final() || ctx.Err() != nil {
		return
	}
	head.Conclude(ledger.Pending, e.Veil.Text(err.Error()), e.Now())
	if err := e.store(ctx); err != nil {
		e.log.Warn("the ledger can't be written", "error", err)
	}
}

// postpone has a release tried again later.
func (e *environment) postpone(key observed.Key, err error) {
	e.retries.postpone(e.log, key, err, e.Now())
}
