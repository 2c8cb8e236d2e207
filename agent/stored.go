package agent

import (
	"context"
	"sync"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/apply/kube"
)

// stored is where the ledger is stored, and what is stored there. Events read it while the
// loop writes.
type stored struct {
	mu   sync.Mutex
	doc  kube.Document
	text string
}

func (s *stored) forget() { s.set(kube.Document{}, "") }

func (s *stored) set(doc kube.Document, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doc, s.text = doc, text
}

func (s *stored) document() kube.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doc
}

func (s *stored) current() (kube.Document, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doc, s.text
}

// store writes the ledger if it is not what is stored.
func (e *environment) store(ctx context.Context) error {
	text, err := e.ledger.Text()
	doc, before := e.stored.current()
	if err != nil || text == before {
		return err
	}
	if doc.Version == "" && before != "" {
		if doc, err = e.cluster.ReadDocument(ctx, doc); err != nil {
			return err
		}
	}
	doc.Text = text
	written, err := e.cluster.WriteDocument(ctx, doc)
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
	doc, err := e.cluster.ReadDocument(ctx, ledger.Document(e.name, e.agent.opts.Namespace))
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
		_, err = e.cluster.WriteDocument(ctx, doc)
	}
	return err
}
