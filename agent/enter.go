package agent

import (
	"context"
	"fmt"

	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/source"
)

// enter reads the ledger, if it was not read yet, and enters the head and what
// lies between it and the last commit seen.
func (e *environment) enter(ctx context.Context, head source.Commit) error {
	moved := ""
	if e.ledger == nil {
		doc, err := e.cluster.ReadDocument(ctx, ledgerOf(e.name, e.agent.opts.Namespace))
		if err != nil {
			return err
		}
		ledger, err := ParseLedger(doc.Text)
		if err != nil {
			return err
		}
		control, err := ReadControl(ctx, e.cluster, e.agent.opts.Namespace)
		if err != nil {
			return err
		}
		e.mu.Lock()
		e.control = control
		e.mu.Unlock()
		e.ledger, e.doc, e.stored = ledger, doc, doc.Text
		moved = e.follow(ctx)
	}
	last := e.ledger.Head()
	if last != nil && last.Commit.Commit == head.SHA {
		return nil
	}
	commits := []source.Commit{head}
	if last != nil {
		between, err := e.agent.repo.Between(last.Commit.Commit, head.SHA, maxEntries)
		if err == nil && len(between) > 0 {
			commits = between
		}
	}
	e.ledger.Arrive(commits, e.agent.opts.Now())
	e.ledger.Head().Trigger = moved
	e.retries = map[releaseKey]*retry{}
	e.log.Info("new head", "commit", short(head.SHA), "subject", head.Subject, "author", head.Author)
	return nil
}

// follow enters in the ledger what the environment follows, and says so if it followed
// another repository before.
func (e *environment) follow(ctx context.Context) string {
	l, was, is := e.ledger, e.ledger.Repository, e.agent.opts.Repository
	l.Environment, l.Repository, l.Branch = e.name, is, string(e.ref)
	if was == "" || was == is {
		return ""
	}
	text := fmt.Sprintf("it follows another repository now: %s instead of %s", is, was)
	e.log.Warn(text)
	e.emit(ctx, "Warning", "Repository", text)
	return text
}

// LedgerName is the name of an environment's ledger.
func LedgerName(environment string) string { return "tether-" + environment }

func ledgerOf(environment, namespace string) apply.Document {
	return apply.Document{Namespace: namespace, Name: LedgerName(environment), Key: "ledger.json"}
}
