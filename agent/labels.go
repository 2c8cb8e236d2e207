package agent

import (
	"context"
	"sync"

	"github.com/xetys/tether/agent/assess"
)

// labels remember for which commit the namespace has its labels. They are safe for
// concurrent use: a watch tells when somebody touched them.
type labels struct {
	mu    sync.Mutex
	done  *assess.Commit // the commit whose labels are in place
	edits int            // how often somebody touched them

	watched string             // the namespace; the loop's
	end     context.CancelFunc // ends the watch; the loop's
}

// forget has the labels looked at, and another watch begun: the last one ended with its lead.
func (l *labels) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.watched, l.end = nil, "", nil
}

// due reports whether the labels of a commit are to be looked at, whether they were in
// place before, and how often they were touched until now.
func (l *labels) due(at *assess.Commit) (due, drifted bool, edits int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done != at, l.done != nil && l.done.SHA == at.SHA, l.edits
}

// inPlace takes note that the labels were put in place; false if somebody touched them since
// they were looked at, so that they are to be looked at again.
func (l *labels) inPlace(at *assess.Commit, edits int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done = at; l.edits != edits {
		l.done = &assess.Commit{SHA: at.SHA}
	}
	return l.edits == edits
}

// touched has the labels looked at again, and reports whether they ever were.
func (l *labels) touched() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.edits++; l.done == nil {
		return false
	}
	l.done = &assess.Commit{SHA: l.done.SHA} // as of another look
	return true
}
