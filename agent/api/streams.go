package api

import (
	"fmt"
	"net/http"
	"sync"
)

// The bounds of streams that are open at once: of all readers, and of one. Who has no name,
// where the gate asks for none, has the first alone.
const (
	maxStreams   = 32
	maxOfAReader = 8
)

// Streams counts the streams that are open. Its zero value is ready; it is safe for
// concurrent use.
type Streams struct {
	mu   sync.Mutex
	open int
	of   map[string]int // by reader
}

// Begin counts a stream of a reader, until end is called. It is refused, with end nil, if there
// are as many as there may be.
func (s *Streams) Begin(reader string) (end func(), why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= maxStreams {
		return nil, fmt.Sprintf("%d streams are open: close one, or ask for the status now and then", maxStreams)
	}
	if reader != "" && s.of[reader] >= maxOfAReader {
		return nil, fmt.Sprintf("%d streams of %s are open: close one, or ask for the status now and then", maxOfAReader, reader)
	}
	if s.of == nil {
		s.of = map[string]int{}
	}
	s.open++
	s.of[reader]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open--
		if s.of[reader]--; s.of[reader] == 0 {
			delete(s.of, reader)
		}
	}, ""
}

// ReaderOf is who sends a request, by the name that the cluster has for him, which a gate let
// through; empty where the gate asks nobody who he is.
func ReaderOf(g Gate, r *http.Request, environment string) (string, error) {
	if t, ok := g.(interface {
		Who(r *http.Request, environment string) (string, error)
	}); ok {
		return t.Who(r, environment)
	}
	return "", nil
}
