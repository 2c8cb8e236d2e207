package worker

import (
	"strings"
	"sync"
)

// head keeps the beginning of what is written to it.
type head struct {
	mu   sync.Mutex
	text []byte
}

const maxHead = 8 << 10

func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b[:min(len(b), maxHead-len(h.text))]...)
	return len(b), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.text)
}

// line is the line that says why, if it is the runtime's or our own: what a panic
// says could hold a value.
func (h *head) line() string {
	for line := range strings.Lines(h.String()) {
		if strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "runtime: ") || strings.HasPrefix(line, argument+": ") {
			return strings.TrimSpace(line)
		}
	}
	return "it does not say why"
}
