package agent

import (
	"context"
	"fmt"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/source"
)

// enter reads the ledger, if it was not read yet, and enters the head and what
// lies between it and the last commit seen.
func (e *environment) enter(ctx context.Context, head source.Commit) error {
	moved := ""
	if e.ledger == nil {
		if err := e.readLedger(ctx); err != nil {
			return err
		}
		moved = e.follow(ctx)
		e.reporter.Deliver(ctx, e.ledger) // what a crash kept from being told
	}
	last := e.ledger.Head()
	if last != nil && last.Commit.Commit == head.SHA {
		return nil
	}
	commits := []source.Commit{head}
	if last != nil {
		between, err := e.agent.repo.Between(last.Commit.Commit, head.SHA, mostBetween)
		if err == nil && len(between) > 0 {
			commits = between
		}
	}
	e.reporter.Superseded(e.ledger.Arrive(commits, e.Now()))
	e.ledger.Head().Trigger = moved
	if e.rollouts.underWay() == nil {
		e.retries.forget()
	}
	e.log.Info("new head", "commit", short(head.SHA), "subject", head.Subject, "author", head.Author)
	return nil
}

// mostBetween bounds how many commits that came at once are entered.
const mostBetween = 200

// readLedger reads the ledger and what people asked for. A ledger that can't be read is
// put aside, and a new one begun: all that the environment needs to go on stands in git,
// in records and in the cluster.
func (e *environment) readLedger(ctx context.Context) error {
	doc, err := e.Cluster.ReadDocument(ctx, ledger.Document(e.Environment, e.agent.opts.Namespace))
	if err != nil {
		return err
	}
	control, err := ledger.ReadControl(ctx, e.Cluster, e.agent.opts.Namespace)
	if err != nil {
		return err
	}
	l, err := ledger.Parse(doc.Text)
	if err != nil {
		if l, err = e.putAside(ctx, doc, err); err != nil {
			return err
		}
	}
	e.inbox.instruct(control)
	e.stored.set(doc, doc.Text)
	e.ledger = l
	return nil
}

func (e *environment) putAside(ctx context.Context, doc kube.Document, why error) (*ledger.Ledger, error) {
	aside, err := e.Cluster.ReadDocument(ctx, ledger.DamagedDocument(e.Environment, e.agent.opts.Namespace))
	if err != nil {
		return nil, err
	}
	aside.Text = doc.Text
	if _, err := e.Cluster.WriteDocument(ctx, aside); err != nil {
		return nil, err
	}
	e.stored.set(doc, "")
	e.log.Error("the ledger is damaged; it is kept in another ConfigMap, and a new one is begun", "error", why, "configmap", aside.Namespace+"/"+aside.Name)
	e.reporter.Say(ctx, "Warning", "Ledger", fmt.Sprintf("%v: it is kept in ConfigMap %s, and a new one is begun", why, aside.Name))
	return &ledger.Ledger{}, nil
}

// follow enters in the ledger what the environment follows, and says so if it followed
// another repository before.
func (e *environment) follow(ctx context.Context) string {
	l, was, is := e.ledger, e.ledger.Repository, e.agent.opts.Repository
	l.Environment, l.Repository, l.Branch = e.Environment, is, string(e.ref)
	if was == "" || was == is {
		return ""
	}
	text := fmt.Sprintf("it follows another repository now: %s instead of %s", is, was)
	e.log.Warn(text)
	e.reporter.Say(ctx, "Warning", "Repository", text)
	return text
}

func short(sha string) string { return sha[:min(7, len(sha))] }
