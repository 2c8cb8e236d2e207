package hosts

import (
	"net/http"
	"strings"
	"sync"
)

// Eavesdropper is a server that should never be told anything: it writes down what it is
// asked and given, and answers with what it wraps, or 404.
type Eavesdropper struct {
	// Answer, if set, answers.
	Answer http.Handler

	mu   sync.Mutex
	told []string
}

// ServeHTTP writes a request down, and answers it.
func (e *Eavesdropper) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var text strings.Builder
	text.WriteString(req.Method + " " + req.Host + req.URL.RequestURI() + "\n")
	_ = req.Header.Write(&text) // to memory
	e.mu.Lock()
	e.told = append(e.told, text.String())
	e.mu.Unlock()
	if e.Answer == nil {
		http.NotFound(w, req)
		return
	}
	e.Answer.ServeHTTP(w, req)
}

// Requests returns what it was asked since it was asked for that last: each request with
// all its headers.
func (e *Eavesdropper) Requests() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := e.told
	e.told = nil
	return told
}
