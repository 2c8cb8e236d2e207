package namespace

import (
	"testing"

	"github.com/xetys/tether/agent/assess"
)

// Labels that somebody edits while they are put in place are compared again.
func TestLabelsThatAreEditedMeanwhile(t *testing.T) {
	at := &assess.Commit{SHA: "a"}
	for sentence, c := range map[string]struct {
		edits func(l *labels)
		again bool
	}{
		"nobody touches them":                      {func(*labels) {}, false},
		"somebody does before they were ever seen": {func(l *labels) { l.edited() }, true},
		"somebody does who did before":             {func(l *labels) { l.inPlace(at, 0); l.edited() }, true},
	} {
		l := &labels{}
		_, _, edits := l.due(at)
		c.edits(l)
		if settled := l.inPlace(at, edits); settled == c.again {
			t.Errorf("%s: they are settled: %v", sentence, settled)
		}
		due, drifted, edits := l.due(at)
		if due != c.again || !drifted {
			t.Errorf("%s: they are compared again: %v, as an edit: %v", sentence, due, drifted)
		}
		if !l.inPlace(at, edits) {
			t.Errorf("%s: they never settle", sentence)
		}
	}
}
