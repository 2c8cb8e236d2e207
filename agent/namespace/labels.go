package namespace

import (
	"context"
	"sync"

	"github.com/xetys/tether/agent/assess"
)

// labels remember for which commit the namespace has its labels. They are safe for concurrent
// use: a watch tells when somebody changed them.
type labels struct {
	mu    sync.Mutex
	done  *assess.Commit // the commit whose labels are in place
	edits int            // how often somebody changed them

	watched string             // the namespace; for the loop alone
	end     context.CancelFunc // ends the watch; for the loop alone
}

// clear has the labels compared, and another watch begun: the last one ended with its lead.
func (l *labels) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.watched, l.end = nil, "", nil
}

// due reports whether the labels of a commit are to be compared, whether they were in place
// before, and how often they were changed until now.
func (l *labels) due(at *assess.Commit) (due, drifted bool, edits int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.done != at, l.done != nil && l.done.SHA == at.SHA, l.edits
}

// inPlace enters that the labels were put in place; false if somebody changed them since they
// were compared, so that they are to be compared again.
func (l *labels) inPlace(at *assess.Commit, edits int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done = at; l.edits != edits {
		l.done = &assess.Commit{SHA: at.SHA}
	}
	return l.edits == edits
}

// edited has the labels compared again, and reports whether they ever were.
func (l *labels) edited() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.edits++; l.done == nil {
		return false
	}
	l.done = &assess.Commit{SHA: l.done.SHA} // as of another pass
	return true
}
