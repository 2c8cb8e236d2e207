package agent

import (
	"sync"

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
