package agent

import (
	"context"
	"log/slog"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/agent/notify"
	"github.com/xetys/tether/apply"
	"github.com/xetys/tether/apply/kube"
)

// notifier returns what tells people of an environment; nil if nobody is to be told.
func (p *process) notifier(environment string, cluster *apply.Cluster, log *slog.Logger) *notify.Notifier {
	if p.opts.Notify == nil {
		return nil
	}
	failed := func(sink string, err error) {
		if err == nil {
			log.Info("notifications are sent again", "sink", sink)
			return
		}
		log.Warn("a notification is not sent; it is tried again", "error", err)
	}
	return notify.New(notify.Notifier{
		Config: p.opts.Notify, Store: &noticeStore{cluster: cluster, doc: ledger.NoticesDocument(environment, p.opts.Namespace)},
		Leads: func() bool { return p.leads(environment) }, Failed: failed, Now: p.opts.Now,
		Origin: func(ctx context.Context) (string, error) { return cluster.NamespaceUID(ctx, p.opts.Namespace) },
	})
}

// noticeStore keeps what was sent in a ConfigMap. It is used by one goroutine.
type noticeStore struct {
	cluster *apply.Cluster
	doc     kube.Document
	known   bool // doc has the version that is stored
}

// Load implements notify.Store.
func (s *noticeStore) Load(ctx context.Context) (string, error) {
	doc, err := s.cluster.ReadDocument(ctx, s.doc)
	if err != nil {
		return "", err
	}
	s.doc, s.known = doc, true
	return doc.Text, nil
}

// Save implements notify.Store. Who leads is the only one that writes it: what somebody else
// made of it is written over.
func (s *noticeStore) Save(ctx context.Context, text string) error {
	if !s.known {
		if _, err := s.Load(ctx); err != nil {
			return err
		}
	}
	doc := s.doc
	doc.Text = text
	written, err := s.cluster.WriteDocument(ctx, doc)
	if s.known = err == nil; s.known {
		s.doc = written
	}
	return err
}
