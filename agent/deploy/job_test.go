package deploy

import (
	"errors"
	"testing"
)

// The error of a job that has ended is postponed once, however many ask for it until it is
// settled; that of a job that never began, whenever it is asked for.
func TestAnErrorIsPostponedOnce(t *testing.T) {
	var e Ending
	if first, again := e.Postpone(), e.Postpone(); !first || !again || e.Over() {
		t.Error("the error of a job that never began is not postponed")
	}
	for range 2 {
		e.Set(errors.New("trouble"))
		if !e.Over() || !e.Postpone() {
			t.Error("it is not postponed when the job ends")
		}
		if e.Postpone() {
			t.Error("it is postponed twice")
		}
	}
}
