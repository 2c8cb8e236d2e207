package verdict

import (
	"sync"

	"github.com/xetys/tether/apply/kube"
)

// Stored is where the ledger is stored, and the text that is stored there. It is safe for
// concurrent use: events read it while the loop writes.
type Stored struct {
	mu     sync.Mutex
	doc    kube.Document
	text   string
	listen func(text string) // is given each text that is stored; nil if nobody asks
}

// Listen has each text that is stored from now on given to a function, which must not wait.
func (s *Stored) Listen(listen func(text string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listen = listen
}

// Document returns where the ledger is stored.
func (s *Stored) Document() kube.Document {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doc
}

func (s *Stored) clear() { s.set(kube.Document{}, "") }

func (s *Stored) set(doc kube.Document, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doc, s.text = doc, text
	if s.listen != nil && doc.Version != "" {
		s.listen(text)
	}
}

func (s *Stored) current() (kube.Document, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.doc, s.text
}
