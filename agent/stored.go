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
	heed func(text string) // is given what is stored; nil if nobody asks
}

// hear has what is stored from now on given to heed, which does not wait.
func (s *stored) hear(heed func(text string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heed = heed
}

func (s *stored) forget() { s.set(kube.Document{}, "") }

func (s *stored) set(doc kube.Document, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doc, s.text = doc, text
	if s.heed != nil && doc.Version != "" {
		s.heed(text)
	}
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
