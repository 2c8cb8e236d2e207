package agent

import (
	"errors"
	"testing"
)

// What ended with trouble is put off once, however many look at it until it is settled; what
// never began, whenever it is looked at.
func TestTroubleIsPutOffOnce(t *testing.T) {
	var e ending
	if first, again := e.putOff(), e.putOff(); !first || !again || e.over() {
		t.Error("what never began is not put off")
	}
	for range 2 {
		e.end(errors.New("trouble"))
		if !e.over() || !e.putOff() {
			t.Error("it is not put off when it ends")
		}
		if e.putOff() {
			t.Error("it is put off twice")
		}
	}
}
